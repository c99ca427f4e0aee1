import math
from collections import Counter

import pytest
import torch
from transformers import BertConfig, BertModel

from getmore_assets.config import BaseModelChoice, FineTuning, Head, Small, Training
from getmore_assets.training import classifier, evaluation, language_models, phases

SHAPE = Small(layers=1, width=32, heads=2, vocabulary=400, rows=100, batch_size=8, learning_rate=3e-3)


@pytest.fixture(scope="module")
def texts(documents):
    return documents["text"].head(150).to_list()


@pytest.fixture(scope="module")
def headless(texts, tmp_path_factory):
    """A BERT folder without a language-modelling head but with a pooler, as sentence encoders are published."""
    folder = tmp_path_factory.mktemp("headless")
    _, tokenizer = language_models.new_small(SHAPE, "masked", texts, 64)
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_missing_head_is_trained_and_the_body_is_not_touched(headless, texts, tmp_path):
    before, _, missing = language_models.load(headless, "masked")
    assert missing
    chosen = BaseModelChoice(model=str(headless), objective="masked", head=Head(learning_rate=1e-2, batch_size=8))
    model, tokenizer, done, head = phases.load_base(headless, chosen, texts, 64, tmp_path / "work")
    assert done is not None
    assert done.curve[-1]["loss"] < done.curve[0]["loss"]
    assert head
    assert all(p.requires_grad for p in model.parameters())
    for name, value in model.bert.state_dict().items():
        assert torch.equal(value, before.bert.state_dict()[name]), name
    plain = evaluation.likelihood(before, tokenizer, "masked", texts[:40], 64)["perplexity"]
    assert evaluation.likelihood(model, tokenizer, "masked", texts[:40], 64)["perplexity"] < plain


def test_a_checkpoint_with_its_head_is_used_as_it_is(texts, tmp_path):
    model, tokenizer, _ = phases.make_small(SHAPE, "causal", texts, 32, tmp_path / "work")
    language_models.save(model, tokenizer, tmp_path / "model")
    chosen = BaseModelChoice(model=str(tmp_path / "model"))
    _, _, done, head = phases.load_base(tmp_path / "model", chosen, texts, 32, tmp_path / "work")
    assert done is None
    assert head == []


def test_only_safetensors_are_written(texts, tmp_path):
    model, tokenizer = language_models.new_small(SHAPE, "causal", texts, 64)
    language_models.save(model, tokenizer, tmp_path / "model")
    names = {p.name for p in (tmp_path / "model").iterdir()}
    assert "model.safetensors" in names
    assert not any(name.endswith((".bin", ".pt", ".pth", ".pkl")) for name in names)


@pytest.mark.parametrize("labelled", [False, True])
def test_warm_up_and_fine_tuning_lower_the_loss_and_give_the_metrics(labelled, texts, tmp_path):
    model, tokenizer, _ = phases.make_small(SHAPE, "causal", texts, 32, tmp_path / "base")
    language_models.save(model, tokenizer, tmp_path / "model")
    before = evaluation.likelihood(model, tokenizer, "causal", texts[:50], 32)["perplexity"]
    recipe = Training(epochs=2, learning_rate=3e-3, batch_size=8, max_length=32)
    phases.warm_up(model, tokenizer, "causal", texts[:50], recipe, 0, None, tmp_path / "warm")
    assert evaluation.likelihood(model, tokenizer, "causal", texts[:50], 32)["perplexity"] < before
    labels = ["long" if len(t) > 200 else "short" for t in texts]
    splits = [phases.Split(texts[i:j], labels[i:j]) for i, j in ((0, 80), (80, 110), (110, 150))]
    held = phases.TargetSplits(*splits, texts[:20], ["long", "short"] if labelled else [])
    tuning = FineTuning(epochs=1, learning_rate=1e-3, batch_size=8, max_length=32)
    tuned, _, metrics = phases.fine_tune(model, tokenizer, "causal", held, tuning, 0, tmp_path / "tune")
    likely = ("perplexity", "nats_per_character")
    expected = {"accuracy", "micro_f1", "macro_f1", "matthews"} if labelled else set(likely)
    assert set(metrics) == expected | {f"{of}_{name}" for of in ("general", "zero_shot") for name in likely}
    assert all(math.isfinite(v) for v in metrics.values())
    assert (tuned.config.id2label == {0: "long", 1: "short"}) is labelled


def test_a_selection_too_small_for_the_comparison_is_an_error(texts, tmp_path):
    model, tokenizer = language_models.new_small(SHAPE, "causal", texts, 64)
    with pytest.raises(RuntimeError, match="blocks of tokens"):
        phases.warm_up(model, tokenizer, "causal", texts[:2], Training(max_length=32), 0, 10_000, tmp_path / "w")


def test_perplexity_is_that_of_the_model_alone(texts):
    model, tokenizer = language_models.new_small(SHAPE, "causal", texts, 64)
    for parameter in model.parameters():
        parameter.data.zero_()
    found = evaluation.likelihood(model, tokenizer, "causal", texts[:20], 32)["perplexity"]
    assert found == pytest.approx(len(tokenizer), rel=1e-3)


def test_fewer_labels_are_part_of_more_and_the_same_for_every_model(texts):
    held = phases.TargetSplits(phases.Split(texts, [str(len(t)) for t in texts]), *[phases.Split([], [])] * 2, [], [])
    few, more = held.with_rows(20, 0).train, held.with_rows(60, 0).train
    assert len(few.texts) == 20
    assert set(few.texts) < set(more.texts) < set(texts)
    assert few.labels == [str(len(text)) for text in few.texts]
    assert held.with_rows(20, 0).train == few
    assert held.with_rows(None, 0).train is held.train
    assert held.with_rows(10_000, 0).train is held.train


def test_each_seed_draws_labels_of_its_own(texts):
    split = phases.Split(texts, [str(len(text)) for text in texts])
    drawn = [set(split.sampled(40, seed).texts) for seed in range(3)]
    assert all(len(one) == 40 for one in drawn)
    assert len(drawn[0] & drawn[1]) < 30
    assert drawn[1] != drawn[2]
    assert drawn[1] < set(split.sampled(60, 1).texts)


def test_a_row_more_on_top_changes_one_row_of_a_draw_at_most(texts):
    labels = [str(len(text)) for text in texts]
    before = phases.Split(texts, labels).sampled(40)
    for text, label in (("A new row.", "a"), (texts[3], labels[3]), (texts[3], "another")):
        after = phases.Split([text, *texts], [label, *labels]).sampled(40)
        assert len(after.texts) == 40
        assert len(Counter(zip(*_pair(before), strict=True)) - Counter(zip(*_pair(after), strict=True))) <= 1


def test_copies_are_drawn_one_by_one():
    split = phases.Split(["one"] * 500 + ["other"] * 500, ["a"] * 1000)
    assert 60 < split.sampled(200).texts.count("one") < 140


def _pair(split):
    return split.texts, split.labels


def test_pairs_are_read_as_the_tokenizer_reads_pairs(headless):
    _, tokenizer, _ = language_models.load(headless, "masked")
    rows = classifier.Labelled(["One.\n\nTwo."], ["a"], ["a", "b"], tokenizer, 64, pairs=True)
    assert rows[0]["input_ids"] == tokenizer("One.", "Two.")["input_ids"]
    assert rows[0]["input_ids"] != tokenizer("One.\n\nTwo.")["input_ids"]


def test_isolated_texts_make_another_model_of_the_same_tokens(texts, tmp_path):
    losses = []
    for packing in ("joined", "isolated"):
        model, tokenizer = language_models.new_small(SHAPE, "causal", texts, 64)
        recipe = Training(max_length=32, batch_size=8, packing=packing)
        blocks, done = phases.warm_up(model, tokenizer, "causal", texts[:40], recipe, 0, 20, tmp_path / packing)
        assert len(blocks) == 20
        losses.append(done.curve[-1]["loss"])
    assert losses[0] != losses[1]
