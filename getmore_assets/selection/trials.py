"""Trials: small warm-ups for a selector's decision, namely estimating λ, and the trial runs of a race.

Belongs here: warming the base up on some candidates, and measuring losses. Does not: the decisions
(`lambda_estimate.py`, `race.py`). The target's test split is not read.
"""

import gc
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.corpus.identity import fingerprint, hash_lines
from getmore_assets.corpus.target import general_texts
from getmore_assets.errors import BadInput
from getmore_assets.lake import unfinished
from getmore_assets.progress import progress
from getmore_assets.selection.context import SelectionContext
from getmore_assets.selection.lambda_estimate import LossChanges
from getmore_assets.training import evaluation, language_models, phases
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.losses import mean_losses

_HELD_OUT = 10  # every tenth pick is not trained on
_MOST_TEXTS = 500  # largest sample for measuring losses
_MEASURED = 10  # times the budget: the candidates, lowest f first, whose loss difference is measured
CHARS = 256  # characters of a text on which a loss for ranking is measured


@dataclass(frozen=True)
class Trials:
    """Warm-ups of the base model on candidates of a selection context."""

    context: SelectionContext

    @property
    def objective(self) -> str:
        """The base model's objective: causal or masked."""
        return self.context.task.base_model.objective

    @property
    def _folder(self) -> Path:
        if self.context.base is None:
            raise BadInput("base_model", "is not materialized, and the selector needs it", "Materialize it first")
        return self.context.base

    def base(self) -> tuple[Any, Any]:
        """Load the base model and its tokenizer."""
        model, tokenizer, _ = language_models.load(self._folder, self.objective)
        return model, tokenizer

    @cached_property
    def general(self) -> list[str]:
        """General text of the pool, which is never selected."""
        context = self.context
        return general_texts(context.tables.target_data, context.tables.raw_corpus, context.task, _MOST_TEXTS)

    def loss(self, model: Any, tokenizer: Any, texts: list[str]) -> float:
        """Return the mean loss per token over the texts, in nats."""
        length = self.context.task.warmup.max_length
        measured = evaluation.likelihood(model, tokenizer, self.objective, texts, length)
        return float(np.log(measured["perplexity"]))

    def warm(self, model: Any, tokenizer: Any, texts: list[str], seed: int, blocks: int | None = None) -> int:
        """Warm up in place by the task's recipe; returns the number of blocks."""
        recipe = self.context.task.warmup
        # Each trial has a folder of its own: only the same trial may resume from the checkpoints of a killed trial.
        work = self.context.work / "trials" / fingerprint(hash_lines(texts), recipe, seed, blocks)[:16]
        packed, _ = phases.warm_up(model, tokenizer, self.objective, texts, recipe, seed, blocks, work)
        shutil.rmtree(work, ignore_errors=True)
        gc.collect()
        return len(packed)

    def blocks(self, texts: list[str]) -> int:
        """Return the number of whole blocks of tokens in the texts."""
        tokenizer = language_models.load_tokenizer(self._folder)
        return len(Blocks(texts, tokenizer, self.context.task.warmup.max_length))

    def moves(self, ids: list[str]) -> LossChanges:
        """Warm the base up on picks, and return the losses before and after.

        Raises:
            BadInput: There is no general text to measure on.
        """
        if not self.general:
            fix = "Set corpus.held_out above 0, give `general`, or set `lambda` to a number"
            raise BadInput("selection.rounds.lambda", "auto needs general text of the pool to measure on", fix)
        held_out = self.context.texts_of(ids[::_HELD_OUT])[:_MOST_TEXTS]
        trained = self.context.texts_of([id_ for at, id_ in enumerate(ids) if at % _HELD_OUT])
        measured = (self.general, held_out, self.context.split("validation", _MOST_TEXTS))
        model, tokenizer = self.base()
        before = [self.loss(model, tokenizer, texts) for texts in measured]
        self.warm(model, tokenizer, trained, seed=0)
        after = [self.loss(model, tokenizer, texts) for texts in measured]
        return LossChanges(*zip(before, after, strict=True))

    def losses(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the base model's mean loss per token, in nats, of some candidates or all: `[n]`, float64."""
        return self._losses(self.base, "base", rows)

    def losses_after(self, texts: list[str], rows: np.ndarray | None = None) -> np.ndarray:
        """Return the losses, as `losses`, of the base model lightly tuned on some texts: `[n]`, float64."""

        def tuned() -> tuple[Any, Any]:
            model, tokenizer = self.base()
            self.warm(model, tokenizer, texts, seed=0)
            return model, tokenizer

        return self._losses(tuned, fingerprint(hash_lines(texts), self.context.task.warmup), rows)

    def _losses(self, load: Callable[[], tuple[Any, Any]], name: str, rows: np.ndarray | None) -> np.ndarray:
        """Return losses of candidates; those that an earlier selector or run measured are read from the lake.

        The context's `spared` gets the seconds that it took to measure losses read from the lake, tuning included.
        """
        context, length = self.context, self.context.task.warmup.max_length
        key = fingerprint("2", str(context.base), name, length, CHARS)
        file = context.lake.folder("losses") / f"{key}.parquet"
        schema = {"id": pl.String, "loss": pl.Float64, "seconds": pl.Float64}
        known = pl.read_parquet(file) if file.is_file() else pl.DataFrame(schema=schema)
        ids = context.eligible.select("id") if rows is None else context.eligible[rows].select("id")
        missing = ids.join(known, on="id", how="anti", maintain_order="left")
        context.spared.append(float(known.join(ids, on="id", how="semi")["seconds"].sum()))
        if missing.height:
            began = time.monotonic()
            (model, tokenizer), measured = load(), np.empty(missing.height)
            with progress(missing.height, "losses", "row") as bar:
                for indices, texts in context.texts(missing["id"]):
                    cut = [text[:CHARS] for text in texts]
                    measured[indices] = mean_losses(model, tokenizer, self.objective, cut, length)
                    bar.update(len(texts))
            each = (time.monotonic() - began) / missing.height
            known = pl.concat([known, missing.with_columns(loss=pl.Series(measured), seconds=pl.lit(each))])
            partial = unfinished(file)  # another task may measure at the same time
            known.write_parquet(partial)
            partial.replace(file)
        losses: np.ndarray = ids.join(known, on="id", maintain_order="left")["loss"].to_numpy()
        return losses


def difference(context: SelectionContext, rows: np.ndarray | None = None) -> np.ndarray:
    """Return the cross-entropy difference of some candidates or all, in nats per token: `[n]`, float64.

    It is the loss under the base lightly tuned on target train, minus the loss under the base (Moore & Lewis, ACL
    2010): low for text that is like the target and unlike the base's training data.
    """
    trials = Trials(context)
    differences: np.ndarray = trials.losses_after(context.split("train"), rows) - trials.losses(rows)
    return differences


def gain(context: SelectionContext, price: np.ndarray, spend: float) -> np.ndarray:
    """Return the cross-entropy difference, measured only for the candidates with the lowest f: `[n]`, float64.

    Measuring takes two passes of a model. The other candidates, which are almost never selected, get the highest value
    measured.
    """
    ranked = np.argsort(context.f, kind="stable")
    near = np.sort(ranked[: int(np.searchsorted(np.cumsum(price[ranked]), _MEASURED * spend)) + 1])
    measured = difference(context, near)
    gains = np.full(len(price), measured.max())
    gains[near] = measured
    return gains
