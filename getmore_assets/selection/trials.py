"""Small warm-ups that a selector makes to decide: the probe that measures λ, and the heats of a race.

Belongs here: warming the base up on some candidates and measuring losses. Does not: the decisions (`strength.py`,
`race.py`). The target's test split is not looked at.
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
from getmore_assets.selection.strength import LossChanges
from getmore_assets.training import evaluation, language_models, phases
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.losses import mean_losses

_HELD_OUT = 10  # every tenth pick is not trained on
_MOST_TEXTS = 500  # that losses are measured on
_AMONG = 10  # times the budget: the candidates, nearest first, whose difference of losses is measured
CHARS = 256  # of a text whose loss ranks it


@dataclass(frozen=True)
class Trials:
    """Warm-ups of the base model on candidates of a ground."""

    context: SelectionContext

    @property
    def objective(self) -> str:
        """Causal or masked."""
        return self.context.task.base_model.objective

    @property
    def _folder(self) -> Path:
        if self.context.base is None:
            raise BadInput("base_model", "has not been made, and the selector asks for it", "Materialise it first")
        return self.context.base

    def base(self) -> tuple[Any, Any]:
        """The base model and its tokenizer, fresh."""
        model, tokenizer, _ = language_models.load(self._folder, self.objective)
        return model, tokenizer

    @cached_property
    def general(self) -> list[str]:
        """Text of the pool that is never selected."""
        context = self.context
        return general_texts(context.tables.target_data, context.tables.raw_corpus, context.task, _MOST_TEXTS)

    def loss(self, model: Any, tokenizer: Any, texts: list[str]) -> float:
        """Mean loss of a token over the texts, in nats."""
        length = self.context.task.warmup.max_length
        measured = evaluation.likelihood(model, tokenizer, self.objective, texts, length)
        return float(np.log(measured["perplexity"]))

    def warm(self, model: Any, tokenizer: Any, texts: list[str], seed: int, blocks: int | None = None) -> int:
        """Warm up in place by the task's recipe; the number of blocks."""
        recipe = self.context.task.warmup
        # A folder of its own: what a killed trial left there is gone on from by the same trial alone.
        work = self.context.work / "trials" / fingerprint(hash_lines(texts), recipe, seed, blocks)[:16]
        made, _ = phases.warm_up(model, tokenizer, self.objective, texts, recipe, seed, blocks, work)
        shutil.rmtree(work, ignore_errors=True)
        gc.collect()
        return len(made)

    def blocks(self, texts: list[str]) -> int:
        """How many whole blocks of tokens the texts fill."""
        tokenizer = language_models.load_tokenizer(self._folder)
        return len(Blocks(texts, tokenizer, self.context.task.warmup.max_length))

    def moves(self, ids: list[str]) -> LossChanges:
        """How losses move when the base is warmed up on picks.

        Raises:
            BadInput: There is no general text to measure on.
        """
        if not self.general:
            fix = "Set corpus.held_out above 0, give `general`, or give the number"
            raise BadInput("selection.rounds.lambda", "auto needs general text of the pool to measure on", fix)
        held = self.context.texts_of(ids[::_HELD_OUT])[:_MOST_TEXTS]
        trained = self.context.texts_of([id_ for at, id_ in enumerate(ids) if at % _HELD_OUT])
        measured = (self.general, held, self.context.split("validation", _MOST_TEXTS))
        model, tokenizer = self.base()
        before = [self.loss(model, tokenizer, texts) for texts in measured]
        self.warm(model, tokenizer, trained, seed=0)
        after = [self.loss(model, tokenizer, texts) for texts in measured]
        return LossChanges(*zip(before, after, strict=True))

    def losses(self, rows: np.ndarray | None = None) -> np.ndarray:
        """The base model's mean loss of a token of each candidate, or of some: `[n]`, float64, in nats."""
        return self._losses(self.base, "base", rows)

    def losses_after(self, texts: list[str], rows: np.ndarray | None = None) -> np.ndarray:
        """The same, of the base lightly tuned on some texts: `[n]`, or of some candidates, float64."""

        def tuned() -> tuple[Any, Any]:
            model, tokenizer = self.base()
            self.warm(model, tokenizer, texts, seed=0)
            return model, tokenizer

        return self._losses(tuned, fingerprint(hash_lines(texts), self.context.task.warmup), rows)

    def _losses(self, make: Callable[[], tuple[Any, Any]], name: str, rows: np.ndarray | None) -> np.ndarray:
        """Losses of candidates; those that were measured before, by whichever selector or run, are read.

        The seconds that these took, the tuning of the model with them, are added to what the ground was spared.
        """
        context, length = self.context, self.context.task.warmup.max_length
        key = fingerprint("2", str(context.base), name, length, CHARS)
        file = context.lake.folder("losses") / f"{key}.parquet"
        schema = {"id": pl.String, "loss": pl.Float64, "seconds": pl.Float64}
        known = pl.read_parquet(file) if file.is_file() else pl.DataFrame(schema=schema)
        wanted = context.eligible.select("id") if rows is None else context.eligible[rows].select("id")
        missing = wanted.join(known, on="id", how="anti", maintain_order="left")
        context.spared.append(float(known.join(wanted, on="id", how="semi")["seconds"].sum()))
        if missing.height:
            began = time.monotonic()
            (model, tokenizer), found = make(), np.empty(missing.height)
            with progress(missing.height, "losses", "row") as bar:
                for places, texts in context.texts(missing["id"]):
                    cut = [text[:CHARS] for text in texts]
                    found[places] = mean_losses(model, tokenizer, self.objective, cut, length)
                    bar.update(len(texts))
            each = (time.monotonic() - began) / missing.height
            known = pl.concat([known, missing.with_columns(loss=pl.Series(found), seconds=pl.lit(each))])
            partial = unfinished(file)  # another task may measure beside this one
            known.write_parquet(partial)
            partial.replace(file)
        losses: np.ndarray = wanted.join(known, on="id", maintain_order="left")["loss"].to_numpy()
        return losses


def difference(context: SelectionContext, rows: np.ndarray | None = None) -> np.ndarray:
    """Cross-entropy difference of candidates, in nats a token (Moore & Lewis, ACL 2010): `[n]`, or of some, float64.

    Its loss under the base lightly tuned on target train, less its loss under the base: low where text is like the
    target and not like what the base knows already.
    """
    trials = Trials(context)
    found: np.ndarray = trials.losses_after(context.split("train"), rows) - trials.losses(rows)
    return found


def gain(context: SelectionContext, price: np.ndarray, spend: float) -> np.ndarray:
    """Cross-entropy difference, measured of the nearest candidates alone, for it costs two passes of a model: `[n]`.

    The others, which all but never come into question, count as the worst of these.
    """
    ranked = np.argsort(context.f, kind="stable")
    near = np.sort(ranked[: int(np.searchsorted(np.cumsum(price[ranked]), _AMONG * spend)) + 1])
    found = difference(context, near)
    gains = np.full(len(price), found.max())
    gains[near] = found
    return gains
