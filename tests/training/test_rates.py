import logging

import pytest
from pydantic import ValidationError

from getmore_assets.config import FineTuning, Lora, Small
from getmore_assets.training import language_models, phases

SHAPE = Small(layers=1, width=32, heads=2, vocabulary=400, rows=100, batch_size=8, learning_rate=3e-3)
GOOD, SMALL = 3e-3, 1e-7
RECIPE = FineTuning(epochs=1, learning_rate=GOOD, batch_size=16, max_length=32, dtype="float32")


@pytest.fixture(scope="module")
def texts(documents):
    return documents["text"].head(150).to_list()


@pytest.fixture(scope="module")
def held(texts):
    """Splits for language modelling, without general text."""
    parts = (phases.Split(part, [""] * len(part)) for part in (texts[:90], texts[90:120], texts[120:]))
    return phases.TargetSplits(*parts, general=[], classes=[])


@pytest.fixture(scope="module")
def labelled(texts):
    """Splits with two classes: whether a text is longer than the median."""
    middle = sorted(map(len, texts))[len(texts) // 2]
    labels = ["long" if len(text) > middle else "short" for text in texts]
    parts = (phases.Split(texts[at], labels[at]) for at in (slice(0, 90), slice(90, 120), slice(120, None)))
    return phases.TargetSplits(*parts, general=[], classes=["long", "short"])


@pytest.fixture(scope="module")
def base(texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    model, tokenizer, _ = phases.make_small(SHAPE, "causal", texts, 32, folder / "work")
    language_models.save(model, tokenizer, folder / "model")
    return folder / "model"


def tuned(base, held, work, **changed):
    model, tokenizer, _ = language_models.load(base, "causal")
    recipe = FineTuning.model_validate({**RECIPE.model_dump(), **changed})
    return phases.fine_tune(model, tokenizer, "causal", held, recipe, 0, work)


@pytest.mark.parametrize("splits", ["held", "labelled"])
def test_the_rate_that_is_best_on_validation_is_kept_and_its_model_is_that_of_a_training_with_this_rate(
    base, splits, tmp_path, request
):
    held = request.getfixturevalue(splits)
    _, _, alone = tuned(base, held, tmp_path / "alone")
    _, _, chosen = tuned(base, held, tmp_path / "chosen", learning_rate=SMALL, other_learning_rates=[GOOD])
    _, _, worse = tuned(base, held, tmp_path / "worse", learning_rate=SMALL)
    assert chosen.pop("learning_rate") == GOOD
    assert chosen == alone
    assert "learning_rate" not in alone
    assert worse != alone


def test_a_rate_whose_loss_is_not_finite_is_left_out_and_said(base, held, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "getmore_assets"):
        _, _, metrics = tuned(base, held, tmp_path / "some", learning_rate=1e30, other_learning_rates=[GOOD])
    assert metrics["learning_rate"] == GOOD
    assert "learning rate 1e+30: the loss is not finite" in caplog.messages
    with pytest.raises(FloatingPointError, match=r"at any learning rate of \[1e\+30, 1e\+31\]"):
        tuned(base, held, tmp_path / "none", learning_rate=1e30, other_learning_rates=[1e31])


def test_the_adapters_of_the_best_rate_are_saved_with_the_model(base, held, tmp_path):
    lora = Lora(rank=2, alpha=4).model_dump()
    model, done, metrics = tuned(
        base, held, tmp_path / "work", lora=lora, learning_rate=3.0, other_learning_rates=[SMALL]
    )
    assert metrics["learning_rate"] == SMALL
    _, tokenizer, _ = language_models.load(base, "causal")
    language_models.save(model, tokenizer, tmp_path / "tuned", tmp_path / "work")
    assert (tmp_path / "tuned" / language_models.ADAPTER / "adapter_model.safetensors").is_file()
    assert done.steps


@pytest.mark.parametrize("others", [[-1e-4], [GOOD], [1e-4, 1e-4]])
def test_rates_that_are_not_positive_or_given_twice_are_refused(others):
    with pytest.raises(ValidationError, match="other_learning_rates are above 0, and differ"):
        FineTuning(learning_rate=GOOD, other_learning_rates=others)
