"""The input of a selector: candidates, target, potentials, vectors, texts and base model.

Belongs here: reading these at their recorded versions, once for all selectors of a task. Does not: selecting.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import candidates, pool
from getmore_assets.corpus.id_index import IdIndex
from getmore_assets.corpus.target import points_of, sampled
from getmore_assets.encoders import store
from getmore_assets.lake import Lake, TableRef
from getmore_assets.pieces import batches
from getmore_assets.transport.rows import NpyFile
from getmore_assets.transport.warm import carried_over

_BATCH = 8192


@dataclass(frozen=True)
class Tables:
    """The tables that a selection reads, each at its version."""

    raw_corpus: TableRef
    target_data: TableRef
    leakage: TableRef
    domain_triage: TableRef
    embeddings: TableRef
    ot_potentials: TableRef

    def candidates(self, task: Task, encoder: str) -> candidates.Candidates:
        """Return the eligible candidates, and the excluded rows with reasons; `encoder` is the key of the vectors."""
        without = store.without_vector(self.embeddings, encoder)
        return candidates.find(task, *(getattr(self, name) for name in candidates.INPUTS), without=without)


@dataclass(frozen=True)
class SelectionContext:
    """The input of a selector.

    Attributes:
        task: The task; its settings of transport, base model and warm-up are used.
        lake: The lake, which stores losses that were computed once.
        tables: The tables, each at its version.
        encoder: Key of the vectors that the potentials were solved with.
        epsilon: Regularisation of that solve, absolute.
        relaxation: Relaxation of the target marginal in that solve, absolute; None without relaxation.
        base: The base model's folder; None if no selector needs it.
        work: A folder that only this run uses.
        spared: Seconds that it once took to measure losses now read from the lake: part of the selector's cost.
    """

    task: Task
    lake: Lake
    tables: Tables
    encoder: str
    epsilon: float
    base: Path | None
    work: Path
    relaxation: float | None = field(default=None, kw_only=True)
    spared: list[float] = field(default_factory=list, kw_only=True)

    @cached_property
    def found(self) -> candidates.Candidates:
        """The eligible candidates, which can be read in pieces."""
        return self.tables.candidates(self.task, self.encoder)

    @property
    def count(self) -> int:
        """Number of candidates."""
        return self.found.count

    @cached_property
    def eligible(self) -> pl.DataFrame:
        """The eligible candidates, all in memory: id, source, domain, n_tokens, in order of id."""
        return self.found.eligible

    @property
    def n_tokens(self) -> np.ndarray:
        """Number of words and punctuation marks of each candidate: `[n]`, float64."""
        counts: np.ndarray = self.eligible["n_tokens"].to_numpy().astype(np.float64)
        return counts

    @cached_property
    def without_vector(self) -> pl.DataFrame:
        """The ids of pool and target that have no vector: one column, `id`."""
        return store.without_vector(self.tables.embeddings, self.encoder)

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The target's points: id and weight, in order of id."""
        return points_of(self.tables.target_data, self.task.name, without=self.without_vector)

    @cached_property
    def points(self) -> pl.DataFrame:
        """The target's points: id, weight, potential, in order of id.

        If the task allows the target to drift without a new solve, a point added since the solve gets the potential of
        the nearest solved point.

        Raises:
            LookupError: A point has no potential, and the task allows no drift.
        """
        solved = self._potentials("target").collect()
        joined = self.rows.join(solved, on="id", how="left", maintain_order="left")
        added = joined["potential"].is_null().to_numpy()
        if not added.any():
            return joined
        if not self.task.drift.is_allowed:
            raise LookupError(f"{added.sum()} of {joined.height} target rows have no potential")
        g = joined["potential"].to_numpy().copy()
        y = store.load(self.tables.embeddings, self.encoder, solved["id"])
        g[added] = carried_over(solved["potential"].to_numpy(), y, self.y[added])
        return joined.with_columns(pl.Series("potential", g))

    @cached_property
    def f(self) -> np.ndarray:
        """The potential of each candidate: `[n]`, float64.

        Raises:
            LookupError: A candidate has no potential.
        """
        index, potentials = self.found.index(self.work), np.full(self.count, np.nan)
        for batch in batches(self._potentials("candidate"), _BATCH):
            positions = index.find(batch["id"])
            potentials[positions[positions >= 0]] = batch["potential"].to_numpy()[positions >= 0]
        if absent := int(np.isnan(potentials).sum()):
            raise LookupError(f"{absent} of {len(potentials)} candidates have no potential")
        return potentials

    def _potentials(self, side: str) -> pl.LazyFrame:
        rows = self.tables.ot_potentials.of_target(self.task.name).filter(pl.col("side") == side)
        return rows.select("id", "potential")

    @cached_property
    def x(self) -> NpyFile:
        """Vectors of the candidates: `[n, d]`, float32, unit length, in a file."""
        spilled = self.work / "candidates.npy"
        store.load_indexed(self.tables.embeddings, self.encoder, self.found.index(self.work), self.found.id_at, spilled)
        return NpyFile(spilled)

    @cached_property
    def y(self) -> np.ndarray:
        """Vectors of the target's points: `[m, d]`, float32, unit length."""
        return store.load(self.tables.embeddings, self.encoder, self.rows["id"])

    def nearness(self) -> pl.DataFrame:
        """The domains, nearest to the target first: domain and nearness (rank, from 1)."""
        return self.tables.domain_triage.of_target(self.task.name).select("domain", "nearness").collect()

    def texts(self, ids: pl.Series | None = None) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Yield the texts of `ids`, or of all candidates, in batches, with positions in `ids`: `[rows]`, int64."""
        ids = self.eligible["id"] if ids is None else ids
        index = IdIndex.of(ids)
        rows = pool.scan_pool(self.tables.raw_corpus, pool.pool_key(self.task)).select("id", "text")
        for batch in batches(rows, _BATCH):
            positions = index.find(batch["id"])
            if (positions >= 0).any():
                yield positions[positions >= 0], batch["text"].filter(pl.Series(positions >= 0)).to_list()

    def texts_at(self, indices: np.ndarray | None) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Yield the texts of the candidates at some indices (`[k]`, int64), or of all, in batches as `texts` does."""
        return self.texts(None if indices is None else self.eligible["id"].gather(indices))

    def texts_of(self, ids: list[str]) -> list[str]:
        """Return the texts of some candidates, in the order of `ids`."""
        return pool.texts_of(self.tables.raw_corpus, self.task, ids)

    def split(self, name: str, most: int | None = None) -> list[str]:
        """Return texts of a split of the target, in order; with `most`, a sample of that size, by id."""
        rows = self.split_rows(name).sort("row").select("id", "text").collect()
        return (rows if most is None else sampled(rows, most))["text"].to_list()

    def split_rows(self, name: str) -> pl.LazyFrame:
        """Return the rows of a split of the target: row, id, text, label, domain."""
        return self.tables.target_data.of_target(self.task.name).filter(pl.col("split") == name)
