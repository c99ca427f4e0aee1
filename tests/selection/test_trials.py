from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch

from getmore_assets.config import Small, Training
from getmore_assets.lake import Lake
from getmore_assets.selection.trials import Trials
from getmore_assets.training import language_models
from getmore_assets.training.blocks import Blocks


class Killed(Exception):
    pass


@pytest.fixture
def trials(documents, tmp_path):
    """A base model of a few parameters, and two sets of texts to warm it up on."""
    texts = documents["text"].head(300).to_list()
    shape = Small(layers=1, width=32, heads=2, vocabulary=400)
    model, tokenizer = language_models.new_small(shape, "causal", texts, 64)
    language_models.save(model, tokenizer, tmp_path / "base")
    recipe = Training(learning_rate=1e-3, batch_size=4, max_length=32)
    task = SimpleNamespace(warmup=recipe, base_model=SimpleNamespace(objective="causal"))
    rows = pl.DataFrame({"id": [f"{at:03}" for at in range(len(texts))], "text": texts})

    def some(ids):
        met = ids.to_frame().join(rows, on="id", maintain_order="left")
        yield np.arange(met.height), met["text"].to_list()

    context = SimpleNamespace(
        task=task,
        base=tmp_path / "base",
        work=tmp_path / "work",
        lake=Lake(tmp_path / "lake"),
        eligible=rows.select("id"),
        texts=some,
        spared=[],
    )
    return Trials(context), texts[:150], texts[150:]


def warmed(trials, texts, stop=None):
    """The weights of the base after a trial, and how many steps that took; with `stop` it is killed at that step."""
    model, tokenizer = trials.base()
    steps = []

    def count(*_):
        steps.append(1)
        if len(steps) == stop:
            raise Killed

    model.register_forward_pre_hook(count)
    trials.warm(model, tokenizer, texts, seed=0)
    return model.state_dict(), len(steps)


def test_a_trial_goes_on_from_its_own_checkpoint_and_from_no_others(trials):
    asked, one, other = trials
    alone, steps = warmed(asked, one)
    with pytest.raises(Killed):
        warmed(asked, one, stop=int(0.8 * steps))
    after_another, taken = warmed(asked, other)
    assert taken > steps / 2
    resumed, rest = warmed(asked, one)
    assert rest < steps / 2
    assert all(torch.allclose(alone[name], resumed[name], atol=1e-5) for name in alone)
    assert any(not torch.allclose(alone[name], after_another[name], atol=1e-3) for name in alone)


def test_losses_are_measured_once_and_cost_whoever_reads_them_what_that_took(trials):
    asked, one, _ = trials
    some, every = np.arange(0, 300, 3), np.arange(300)
    first = asked.losses_after(one, some)
    assert asked.context.spared == [0.0]
    again, all_ = asked.losses_after(one, some), asked.losses_after(one, every)
    np.testing.assert_array_equal(again, first)
    np.testing.assert_allclose(all_[some], first, atol=1e-5)
    assert asked.context.spared[1] == asked.context.spared[2] > 0
    assert not list(asked.context.lake.folder("losses").glob("*.partial"))


def test_texts_are_counted_in_blocks_without_the_model(trials, monkeypatch):
    asked, one, other = trials
    expected = [len(Blocks(texts, asked.base()[1], 32)) for texts in (one, other)]
    monkeypatch.setattr(language_models, "load", None)
    assert [asked.blocks(one), asked.blocks(other)] == expected
