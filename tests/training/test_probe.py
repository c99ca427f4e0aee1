"""The probe: it reads labels out of frozen states, and nothing where there is nothing to read."""

import numpy as np
import pytest
import torch

from getmore_assets.config import Small
from getmore_assets.training import language_models
from getmore_assets.training.phases import Split, TargetSplits
from getmore_assets.training.probe import features, probe


@pytest.fixture(scope="module", params=["causal", "masked"])
def body(request, documents):
    texts = documents["text"].unique(maintain_order=True).head(160).to_list()
    shape = Small(layers=2, width=32, heads=2, vocabulary=400)
    return texts, *language_models.new_small(shape, request.param, texts, 64)


def split(texts, labels):
    return TargetSplits(
        *(Split(texts[a:b], labels[a:b]) for a, b in ((0, 80), (80, 120), (120, 160))), [], sorted(set(labels))
    )


def test_states_are_means_over_real_tokens_of_each_text_alone(body):
    texts, model, tokenizer = body
    every = features(model, tokenizer, texts[:9], 32)
    assert every.shape == (9, 3 * 32)  # embeddings and two layers
    for row in (0, 4, 8):
        assert features(model, tokenizer, [texts[row]], 32)[0] == pytest.approx(every[row], abs=1e-4)
    with torch.inference_mode():
        ids = tokenizer([texts[4]], truncation=True, max_length=32, return_tensors="pt")
        last = model.base_model(**ids, output_hidden_states=True).hidden_states[-1][0]
    assert every[4, -32:] == pytest.approx(last.mean(0).numpy(), abs=1e-4)


def test_what_the_texts_say_is_read_and_what_they_do_not_is_not(body):
    texts, model, tokenizer = body
    told = [f"{'the the the the' if row % 2 else 'self self self'} {text[:40]}" for row, text in enumerate(texts)]
    labels = ["odd" if row % 2 else "even" for row in range(160)]
    assert probe(model, tokenizer, split(told, labels), 32)["probe_micro_f1"] > 0.9
    drawn = np.random.default_rng(0).permutation(labels).tolist()
    assert 0.3 < probe(model, tokenizer, split(told, drawn), 32)["probe_micro_f1"] < 0.7


def test_it_is_the_same_again_and_says_nothing_of_one_class(body):
    texts, model, tokenizer = body
    labels = ["long" if len(text) > 200 else "short" for text in texts]
    held = split(texts, labels)
    assert probe(model, tokenizer, held, 32) == probe(model, tokenizer, held, 32)
    assert probe(model, tokenizer, split(texts, ["one"] * 160), 32) == {}
