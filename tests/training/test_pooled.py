"""The classifier's read-out: what each pooling reads, its head before fine-tuning, and its folder."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from getmore_assets.config import Small
from getmore_assets.training import classifier, language_models
from getmore_assets.training.pooled import POOLINGS


@pytest.fixture(scope="module", params=["causal", "masked"])
def body(request, documents):
    texts = documents["text"].unique(maintain_order=True).head(60).to_list()
    shape = Small(layers=1, width=32, heads=2, vocabulary=400)
    return texts, *language_models.new_small(shape, request.param, texts, 64)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_pooling_reads_its_tokens_and_no_padding(body, pooling):
    texts, model, tokenizer = body
    network = classifier.build(model, tokenizer, ["a", "b"], pooling, 0)
    rows = classifier.Labelled(texts[:3], ["a", "b", "a"], ["a", "b"], tokenizer, 32)
    batch = classifier.collator(tokenizer)([rows[0], rows[1], rows[2]])
    with torch.inference_mode():
        network.eval()
        found = network.pooled(batch["input_ids"], batch["attention_mask"])
        for row in range(3):
            states = model.base_model(torch.tensor([rows[row]["input_ids"]])).last_hidden_state[0]
            expected = {"mean": states.mean(0), "last": states[-1], "cls": states[0]}[pooling]
            assert torch.allclose(found[row], expected, atol=1e-5)


def test_the_head_starts_as_a_regression_on_frozen_states(body):
    texts, model, tokenizer = body
    told = [f"{('the the', 'self self', 'return return')[row % 3]} {text[:30]}" for row, text in enumerate(texts)]
    labels, classes = [("a", "b", "c")[row % 3] for row in range(60)], ["a", "b", "c", "none of these"]
    network = classifier.build(model, tokenizer, classes, "mean", 0)
    rows = classifier.Labelled(told, labels, classes, tokenizer, 32)
    before = {name: value.clone() for name, value in network.body.state_dict().items()}
    classifier.fit_head(network, rows, tokenizer, 16)
    assert (classifier.predict(network, rows, tokenizer, 16) == rows.labels).mean() > 0.9
    assert all(torch.equal(before[name], value) for name, value in network.body.state_dict().items())
    two = classifier.build(model, tokenizer, ["a", "b"], "mean", 0)
    some = classifier.Labelled(told[:2] * 10, labels[:2] * 10, ["a", "b"], tokenizer, 32)
    classifier.fit_head(two, some, tokenizer, 16)
    assert (classifier.predict(two, some, tokenizer, 16) == np.array([0, 1] * 10)).all()


def test_states_that_hardly_vary_get_no_weights_that_stop_fine_tuning(body):
    """A weight of 1e30 on a dead state makes every gradient infinite, which clipping turns into none."""
    texts, model, tokenizer = body
    labels = [("a", "b")["the" in text] for text in texts]
    network = classifier.build(model, tokenizer, ["a", "b"], "mean", 0)
    pooled = network.pooled

    def with_dead_states(*given, **more):
        states = pooled(*given, **more).clone()
        states[:, 0] = 1e-33 * states[:, 0]
        return states

    network.pooled = with_dead_states
    rows = classifier.Labelled(texts, labels, ["a", "b"], tokenizer, 32)
    classifier.fit_head(network, rows, tokenizer, 16)
    assert network.classifier.weight.abs().max() < 1e3


def test_a_head_is_penalised_until_it_does_as_well_on_rows_that_it_was_not_fitted_to():
    drawn = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    noise = drawn.normal(size=(120, 200))
    assert classifier._penalty(noise, labels) == min(classifier._PENALTIES)
    told = noise + 3 * np.eye(200)[labels]
    assert classifier._penalty(told, labels) > min(classifier._PENALTIES)
    assert classifier._penalty(noise[:4], np.array([0, 1, 2, 2])) == min(classifier._PENALTIES)


def test_its_folder_is_loaded_as_any_classifier(body, tmp_path):
    texts, model, tokenizer = body
    network = classifier.build(model, tokenizer, ["a", "b"], "last", 0)
    language_models.save(network, tokenizer, tmp_path / "model")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    assert again.config.id2label == {0: "a", 1: "b"}
    assert again.config.pooling == "last"
    rows = classifier.Labelled(texts[:4], ["a"] * 4, ["a", "b"], tokenizer, 32)
    batch = classifier.collator(tokenizer)([rows[at] for at in range(4)])
    with torch.inference_mode():
        assert torch.allclose(again.eval()(**batch).logits, network.eval()(**batch).logits, atol=1e-5)
