"""Measure on this machine what the models of a task take: seconds a step, a block, a text, and tokens a row.

Belongs here: small amounts of the real work, timed. Does not: what follows for the whole (`planning/`).
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from torch.utils.data import Dataset, Subset

from getmore_assets.config import FineTuning, Selector, Task, Training
from getmore_assets.corpus.tokens import token_counts
from getmore_assets.device import best_device
from getmore_assets.encoders import make_encoder
from getmore_assets.metering import metered
from getmore_assets.planning.miniature import stands_in, width_of
from getmore_assets.selection.trials import CHARS
from getmore_assets.training import classifier, evaluation, language_models
from getmore_assets.training.acts import recipe_of
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.fit import fit
from getmore_assets.training.losses import mean_losses
from getmore_assets.workers import run

_ENOUGH_S = 2.0  # of measuring, for one figure
_MOST = 24
_TEXTS = 256


def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """Time what the spec names.

    Args:
        spec: task; work; encoder and training (whether to measure them); pool, train, validation, test (Parquet files
            with a column `text`), picks; base (a folder, or None to make a small model),
            head (the names of its parameters that are trained first) and classes.

    Returns:
        device, and the figures of `_encoder`, `_training` and `_selectors`.
    """
    task = Task.model_validate(spec["task"])
    found: dict[str, Any] = {"device": best_device().type}
    texts = {name: pl.read_parquet(spec[name])["text"].to_list() for name in ("pool", "picks", "train")}
    if spec["encoder"] and stands_in(task):
        found["encoder"] = _encoder(task, texts, Path(spec["work"]))
    if spec["training"]:
        texts |= {name: pl.read_parquet(spec[name])["text"].to_list() for name in ("validation", "test")}
        found["training"] = _training(task, spec, texts)
    return found | {"selectors": _selectors(task, texts)}


def _again_and_again(texts: list[str], count: int) -> list[str]:
    """So many texts, each as often as it takes."""
    return texts * (1 + count // len(texts))


def _rate(once: Callable[[int], Any], most: int = _MOST) -> tuple[float, float]:
    """Seconds that one more takes, and seconds of the first beyond that."""

    def timed(count: int) -> float:
        began = time.monotonic()
        once(count)
        return time.monotonic() - began

    once(1)  # threads, caches and compiled kernels
    one = timed(1)
    count = min(most, max(2, int(_ENOUGH_S / max(one, 1e-3))) + 1)
    each = (timed(count) - one) / (count - 1)
    each = each if each > 0 else one / 2
    return each, max(0.0, one - each)


def _encoder(task: Task, texts: dict[str, list[str]], work: Path) -> dict[str, float]:
    """Seconds to load or make the encoder, those a text of target train adds to that (adapted), and those a text."""
    began, fitted = time.monotonic(), work / "encoder-1.safetensors"
    some = texts["train"][:_TEXTS]
    with metered() as meter:
        encoder = make_encoder(task, fitted, some[: _TEXTS // 4])
        make = time.monotonic() - began
        a_text = 0.0
        if task.encoder.adapt:
            began = time.monotonic()
            encoder = make_encoder(task, work / "encoder-2.safetensors", some)
            a_text = max(0.0, (time.monotonic() - began - make) / max(1, len(some) - _TEXTS // 4))
        pool = _again_and_again(texts["pool"], 16 * _MOST)
        each, _ = _rate(lambda n: encoder.encode(pool[: 16 * n]) is None)
    return {"load": make, "a_train_text": a_text, "a_text": each / 16, "peak_rss_mb": meter.peak_rss_mb}


def _training(task: Task, spec: dict[str, Any], texts: dict[str, list[str]]) -> dict[str, Any]:
    """Seconds a step of each training, a block or row of each evaluation, and how many the task's texts make."""
    objective, work = task.base_model.objective, Path(spec["work"])
    found: dict[str, Any] = {}
    if spec["base"] is None:
        small, length = task.base_model.small, max(task.warmup.max_length, task.finetune.max_length)
        began, rows = time.monotonic(), texts["pool"][: small.rows]
        model, tokenizer = language_models.new_small(small, objective, rows, max(256, length))
        found["vocabulary_seconds"] = (time.monotonic() - began) * small.rows / len(rows)
        blocks = Blocks(rows, tokenizer, length)
        found["base_items"] = len(blocks) * small.rows / len(rows)
        collate = language_models.collator(tokenizer, objective)
        found["base"] = _steps(model, blocks, recipe_of(small, length), collate, work / "base")
    else:
        began = time.monotonic()
        model, tokenizer, _ = language_models.load(Path(spec["base"]), objective)
        found["load"] = time.monotonic() - began
        if spec["head"]:
            blocks, shape = Blocks(texts["pool"], tokenizer, task.warmup.max_length), task.base_model.head
            found["base_items"] = len(blocks) * shape.rows / len(texts["pool"])
            for name, parameter in model.named_parameters():
                parameter.requires_grad = name in spec["head"]
            collate = language_models.collator(tokenizer, objective)
            found["base"] = _steps(model, blocks, recipe_of(shape, task.warmup.max_length), collate, work / "base")
            for parameter in model.parameters():
                parameter.requires_grad = True
    collate, length = language_models.collator(tokenizer, objective), task.finetune.max_length
    picks = Blocks(texts["picks"], tokenizer, task.warmup.max_length)
    found["tokens_a_pick"] = picks.tokens / len(texts["picks"])
    found["tokens_a_word"] = picks.tokens / max(1, int(token_counts(pl.Series(texts["picks"], dtype=pl.String)).sum()))
    found["warmup"] = _steps(model, picks, task.warmup, collate, work / "warmup")
    train, validation, test = (Blocks(texts[n], tokenizer, length) for n in ("train", "validation", "test"))
    found["general_blocks_a_row"] = len(Blocks(texts["pool"], tokenizer, length)) / len(texts["pool"])
    found["test_blocks"] = len(test)
    some = texts["test"]
    one = max(1, round(32 * len(some) / len(test)))  # rows that fill a batch of the evaluation
    cycle = _again_and_again(some, 8 * one)
    each, _ = _rate(lambda n: evaluation.likelihood(model, tokenizer, objective, cycle[: n * one], length) is None, 8)
    found["a_block"] = each / max(1, len(Blocks(cycle[:one], tokenizer, length)))
    if any(_asks_for_losses(one) for one in (task.selection, *task.rivals)):
        found["a_loss"] = _loss(model, tokenizer, task, texts["pool"])
    if not task.finetune.epochs:
        return found
    if not spec["classes"]:
        found |= {"train_items": len(train), "validation_items": len(validation)}
        found["finetune"] = _steps(model, train, task.finetune, collate, work / "finetune")
        found["a_validated"] = found["a_block"]
    else:
        found |= _classifier(task, spec, model, tokenizer, work)
    return found


def _classifier(task: Task, spec: dict[str, Any], model: Any, tokenizer: Any, work: Path) -> dict[str, Any]:
    rows = {n: pl.read_parquet(spec[n]).select("text", "label") for n in ("train", "validation", "test")}
    network = classifier.build(model, tokenizer, spec["classes"], task.finetune.pooling, 0)
    train, test = (
        classifier.Labelled(
            rows[n]["text"].to_list(),
            rows[n]["label"].to_list(),
            spec["classes"],
            tokenizer,
            task.finetune.max_length,
            pairs=task.target.is_of_pairs,
        )
        for n in ("train", "test")
    )
    batch, order = 2 * task.finetune.batch_size, list(range(len(test)))
    collate = classifier.collator(tokenizer)
    steps = _steps(network, train, task.finetune, collate, work / "finetune", classifies=True)

    def predict(batches: int) -> None:
        some: Any = Subset(test, (order * (1 + batches * batch // len(order)))[: batches * batch])
        classifier.predict(network, some, tokenizer, batch)

    each, _ = _rate(predict, 8)
    counts = {"train_items": rows["train"].height, "validation_items": rows["validation"].height}
    return {**counts, "finetune": steps, "a_validated": each / batch, "predicted": rows["test"].height}


def _steps(
    model: Any,
    data: Dataset[Any],
    recipe: Training | FineTuning,
    collate: Any,
    work: Path,
    *,
    classifies: bool = False,
) -> dict[str, float]:
    """Seconds a step, and those of a training beyond its steps, a checkpoint among them."""
    size, done = len(data), iter(range(_MOST))  # type: ignore[arg-type]
    once = recipe.model_copy(update={"epochs": 1.0})

    def train(steps: int) -> None:
        part = Subset(data, [at % size for at in range(steps * recipe.batch_size)])
        fit(model, part, once, 0, work / str(next(done)), collate, name="measuring", classifies=classifies)

    step, beside = _rate(train)
    return {"step": step, "beside": beside}


def _selectors(task: Task, texts: dict[str, list[str]]) -> dict[str, float]:
    """Seconds a candidate, of selectors that look at each."""
    asked = {one.selector for chosen in (task.selection, *task.rivals) for one in (chosen, *chosen.entrants)}
    found, pool = {}, texts["pool"][: 8 * _TEXTS]
    if "dsir" in asked:
        from getmore_assets.selection.dsir import log_weights

        began = time.monotonic()
        places = np.arange(len(pool))
        log_weights(len(pool), iter([(places, pool)]), iter([(places, pool)]), texts["train"])
        found["dsir"] = (time.monotonic() - began) / len(pool)
    if "knn" in asked:
        from getmore_assets.selection.neighbours import nearest

        rng, width = np.random.default_rng(0), width_of(task)
        x, y = (rng.standard_normal((n, width), np.float32) for n in (8192, len(texts["train"])))
        began = time.monotonic()
        nearest(x, y, 64, task.transport.memory_mb)
        found["knn"] = 2 * (time.monotonic() - began) / len(x)
    return found


def _loss(model: Any, tokenizer: Any, task: Task, pool: list[str]) -> float:
    """Seconds for the loss of one candidate."""
    cut = _again_and_again([text[:CHARS] for text in pool], 16 * _MOST)
    length, objective = task.warmup.max_length, task.base_model.objective
    each, _ = _rate(lambda n: mean_losses(model, tokenizer, objective, cut[: 16 * n], length) is None)
    return each / 16


def _asks_for_losses(chosen: Selector) -> bool:
    """Whether a selector measures losses of candidates."""
    own = chosen.selector in ("perplexity", "moore-lewis") or chosen.rounds.loss > 0
    return own or any(_asks_for_losses(one) for one in chosen.entrants)


if __name__ == "__main__":
    run(measure)
