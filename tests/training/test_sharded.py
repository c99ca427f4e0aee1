"""A training whose weights are sharded over two processes (gloo) is the training in one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from getmore_assets.config import Lora, Small, Strategy, Training
from getmore_assets.corpus.identity import hash_lines
from getmore_assets.ranks import is_first
from getmore_assets.training import classifier, language_models, phases
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.fit import FitResult, fit
from tests.training.two_processes import in_two

CLOSE = 1e-4  # of losses in nats (found: 1e-6 at most)
NEAR = 1e-3  # of weights, as a share of the way they went (found: 7e-6 at most)
LENGTH = 32
SHAPE = Small(layers=2, width=32, heads=2, vocabulary=401)  # an embedding that two processes cannot halve
RECIPE = {"batch_size": 8, "max_length": LENGTH, "learning_rate": 1e-3, "dtype": "float32"}


class Killed(Exception):
    pass


@dataclass
class Given:
    """A base model and its blocks."""

    base: Path
    blocks: Blocks
    validation: Blocks
    left: str = ""

    def train(self, to: Path, stop: int | None = None, strategy: str = "fsdp", **recipe: Any) -> FitResult:
        """Train, and save the model; `stop` is the batch at which rank 0 ends as if it were killed."""
        model, tokenizer, _ = language_models.load(self.base, "causal")
        seen = []

        def collate(items):
            seen.append(len(items))
            if stop is not None and len(seen) == stop:
                raise Killed
            return language_models.collator(tokenizer, "causal")(items)

        validation = self.validation if "epochs" in recipe else None
        asked = Training(**{**RECIPE, **recipe})
        done = fit(
            model, self.blocks, asked, 0, to / "work", collate, name="test", validation=validation, strategy=strategy
        )
        if is_first():
            language_models.save(model, tokenizer, to / "model")
        self.left = hash_lines(str(weight.tolist()) for weight in model.parameters())
        return done

    def answer(self, *args: Any, **kwargs: Any) -> Any:
        """What a process of several says: the training, and a hash of the weights that it ends with."""
        return self.train(*args, **kwargs).__dict__, self.left


@pytest.fixture(scope="module")
def given(documents, tmp_path_factory):
    base, texts = tmp_path_factory.mktemp("sharded") / "base", documents["text"].head(60).to_list()
    model, tokenizer = language_models.new_small(SHAPE, "causal", texts, LENGTH)
    language_models.save(model, tokenizer, base)
    return Given(base, Blocks(texts[10:], tokenizer, LENGTH, 99), Blocks(texts[:10], tokenizer, LENGTH, 20))


def require_same(given: Given, one: FitResult, two: FitResult, folders: tuple[Path, Path]) -> None:
    assert [sorted(point) for point in one.curve] == [sorted(point) for point in two.curve]
    for point, again in zip(one.curve, two.curve, strict=True):
        assert again == pytest.approx(point, abs=CLOSE)
    start, weights, others = (load_file(path / "model.safetensors") for path in (given.base, *folders))
    assert start.keys() == weights.keys() == others.keys()
    moved, apart = (
        sum(float((weights[name] - than[name]).square().sum()) for name in weights) ** 0.5 for than in (start, others)
    )
    assert apart < NEAR * moved


@pytest.mark.parametrize(
    "recipe",
    [{"epochs": 2}, {"epochs": 2, "lora": Lora(rank=4, dropout=0.0), "gradient_accumulation_steps": 2}],
    ids=["all weights", "adapters"],
)
def test_two_processes_are_one(given, recipe, tmp_path):
    """With validation once an epoch, and the best epoch's weights, in each process at the end."""
    one = given.train(tmp_path / "one", **recipe)
    (tmp_path / "two").mkdir()
    (said, left), (_, left_by_other) = in_two(lambda: given.answer(tmp_path / "two", **recipe), tmp_path)
    two = FitResult(**said)
    require_same(given, one, two, (tmp_path / "one" / "model", tmp_path / "two" / "model"))
    assert "eval_loss" in two.curve[-1]
    assert left == left_by_other  # the next training starts from it in every process


def test_what_two_processes_began_one_ends(given, tmp_path):
    whole = given.train(tmp_path / "whole", epochs=2)
    stop = whole.steps // 2 + len(given.validation) // 16 + 6  # in the second epoch
    (tmp_path / "parts").mkdir()
    assert in_two(lambda: given.answer(tmp_path / "parts", stop=stop, epochs=2), tmp_path) == [None, None]
    (kept,) = (tmp_path / "parts" / "work").glob("checkpoint-*")
    assert int(kept.name.split("-")[1]) == whole.steps / 2
    resumed = given.train(tmp_path / "parts", epochs=2)
    for done in (whole, resumed):  # the first point after a checkpoint is a mean since it, not since the point before
        del done.curve[next(at for at, point in enumerate(done.curve) if point["step"] > whole.steps / 2)]
    require_same(given, whole, resumed, (tmp_path / "whole" / "model", tmp_path / "parts" / "model"))


def test_two_processes_teach_a_masked_body_to_classify(documents, tmp_path):
    """Logits of masked tokens alone, and a head that is no block of the body."""
    texts, classes = documents["text"].head(48).to_list(), ["long", "short"]
    labels = ["long" if len(text) > 200 else "short" for text in texts]
    language_models.save(*language_models.new_small(SHAPE, "masked", texts, LENGTH), tmp_path / "base")

    def train(strategy: Strategy) -> list[list[dict[str, float]]]:
        model, tokenizer, _ = language_models.load(tmp_path / "base", "masked")
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        work, recipe = tmp_path / strategy, Training(**RECIPE)
        _, warmed = phases.warm_up(model, tokenizer, "masked", texts, recipe, 0, 6, work / "warm", strategy)
        rows, held = (
            classifier.Labelled(texts[at], labels[at], classes, tokenizer, LENGTH)
            for at in (slice(0, 32), slice(32, 48))
        )
        network = classifier.build(model, tokenizer, classes, "mean", 0)
        collate = classifier.collator(tokenizer)
        shared = {"validation": held, "classifies": True, "strategy": strategy}
        tuned = fit(network, rows, recipe, 0, work / "tuned", collate, name="test", **shared)
        return [*warmed.curve, *tuned.curve]

    one, (two, _) = train("ddp"), in_two(lambda: train("fsdp"), tmp_path)
    assert "eval_accuracy" in two[-1]
    for point, again in zip(one, two, strict=True):
        assert again == pytest.approx(point, abs=CLOSE)
