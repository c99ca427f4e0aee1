"""A look at a task's sources: counts of all rows, and samples of them to measure on.

Belongs here: reading the sources once and writing the samples as files. Does not: the task files that read them
(`miniature.py`).
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import pool, readers, target
from getmore_assets.corpus.passages import clean
from getmore_assets.corpus.reading import Reading

SMALL, LARGE = "small", "large"
_MOST = {SMALL: 10_000, LARGE: 30_000}  # rows: more than a batch of the reader, so that memory grows as it does later
_SHARE = {SMALL: 4, LARGE: 2}  # of a small pool a quarter and a half
STEPS = 4  # of a training in the small miniature
CHARS_A_TOKEN = 4.5
_EVALUATED = 40  # blocks of tokens: more than a batch of the evaluation
_FEWEST_ROWS = 64


@dataclass(frozen=True)
class Look:
    """What the sources hold.

    Attributes:
        rows: Of the pool's sources, all counted.
        chars: Characters in them.
        read_seconds: What reading them all took.
        samples: Rows in the samples of the pool, by their names.
        splits: Rows of each split of the target, once those that are evaluated on elsewhere have left train.
        labels: The target's.
        target_seconds: What reading the target took.
        guard_seconds: What making the leakage guard of it took.
        versions: Data version of the target, and that of what is evaluated on.
        sources: Counts of each source, as `Reading.as_json`; of the pool's, `folded` is None: passages are not made.
    """

    rows: int
    chars: int
    read_seconds: float
    samples: dict[str, int]
    splits: dict[str, int]
    labels: list[str]
    target_seconds: float
    guard_seconds: float
    versions: tuple[str, str]
    sources: list[dict[str, Any]] = field(default_factory=list)


def look(task: Task, folder: Path) -> Look:
    """Read all sources once; samples go to `<folder>/pool-<small or large>.parquet` and `<split>-<...>.parquet`.

    Raises:
        BadInput: What the line itself would refuse of the sources.
    """
    began = time.monotonic()
    rows, facts = target.read_target(task)
    target_seconds, began = time.monotonic() - began, time.monotonic()
    if task.leakage != "allow":
        target.guard_of(rows)
    guard_seconds = time.monotonic() - began
    for (split,), part in rows.group_by("split", maintain_order=True):
        part.write_parquet(folder / f"{split}-{LARGE}.parquet")
    kept = None
    for (split,), part in rows.group_by("split", maintain_order=True):
        few = _few(part, _chars(task, str(split)), kept)
        kept = few["label"].unique() if split == "train" and facts.labels else kept
        few.write_parquet(folder / f"{split}-{SMALL}.parquet")
    began, stride, told = time.monotonic(), _Stride(2 * _MOST[LARGE]), list[dict[str, Any]]()
    for batch in _pool(task, told):
        stride.add(batch)
    read_seconds, samples = time.monotonic() - began, {}
    whole = stride.rows
    for name, most in _MOST.items():
        wanted = min(most, max(1, stride.seen // _SHARE[name]))
        sample = whole.gather_every(max(1, whole.height // wanted)).head(wanted)
        sample.write_parquet(folder / f"pool-{name}.parquet")
        samples[name] = sample.height
    return Look(
        stride.seen,
        stride.chars,
        read_seconds,
        samples,
        facts.rows,
        facts.labels,
        target_seconds,
        guard_seconds,
        (target.data_version(rows), facts.evaluated_version),
        [*told, *facts.sources],
    )


def _pool(task: Task, told: list[dict[str, Any]]) -> Iterator[pl.DataFrame]:
    """The rows of the pool's sources; the counts of each are added to `told`."""
    for number, source in enumerate(task.candidates):
        reading = pool.reading_of(source, task)
        for batch in readers.read(source, reading=reading):
            _count_long(reading, batch["text"], task.corpus.passage_chars)
            yield batch
        told.append({**reading.as_json(f"candidates.{number}"), "folded": None})


def _count_long(reading: Reading, texts: pl.Series, longest: int) -> None:
    """Count the texts that are longer than a passage once they are clean: they are cut, or kept whole."""
    long = sum(len(clean(text)) > longest for text in texts.filter(texts.str.len_chars() > longest))
    if reading.cuts:
        reading.cut += long
    else:
        reading.longer += long


class _Stride:
    """Every k-th row of a stream of unknown length, so many that at least half of `most` are kept."""

    def __init__(self, most: int) -> None:
        self._most, self._step, self._kept = most, 1, 0
        self._parts: list[pl.DataFrame] = []
        self.seen = self.chars = 0

    def add(self, batch: pl.DataFrame) -> None:
        if not batch.height:
            return
        part = batch.gather_every(self._step, -self.seen % self._step)
        self.seen += batch.height
        self.chars += int(batch["text"].str.len_chars().sum())
        self._parts.append(part)
        self._kept += part.height
        while self._kept > self._most:
            self._step *= 2
            self._parts = [self.rows.gather_every(2)]
            self._kept = self._parts[0].height

    @property
    def rows(self) -> pl.DataFrame:
        return pl.concat(self._parts, how="diagonal")


def _chars(task: Task, split: str) -> float:
    """What fills some batches of a training on train, one of the evaluation on another split."""
    blocks = max(_EVALUATED, STEPS * task.finetune.batch_size) if split == "train" else _EVALUATED
    return blocks * task.finetune.max_length * CHARS_A_TOKEN


def _few(split: pl.DataFrame, chars: float, labels: pl.Series | None) -> pl.DataFrame:
    """Some rows of a split: of train one of each label at least; of the others none with a label train has not."""
    if labels is not None:
        split = split.filter(pl.col("label").is_null() | pl.col("label").is_in(labels.implode()))  # general text: none
    first = split["label"].is_first_distinct() & split["label"].is_not_null()
    enough = split["text"].str.len_chars().cum_sum() <= chars
    return split.filter(first | enough | (pl.int_range(pl.len()) < _FEWEST_ROWS))
