"""The ranking of candidates, which a selector returns: by score, or by order of picks.

Belongs here: the ranking, and functions that build one. Does not: the budget (`budget.py`), or any selector.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.config import Budget
from getmore_assets.corpus.identity import sampling_numbers
from getmore_assets.json_models import JsonObject
from getmore_assets.pieces import arrow_stream
from getmore_assets.selection.context import SelectionContext


@dataclass(frozen=True)
class Ranking:
    """The result of a selector. Candidates are given by position, in order of id.

    Attributes:
        order: The candidates, best first: `[k]`, int64; candidates that are not in it have no rank.
        scores: Their scores, lower is better: `[n]`, float64.
        facts: Further results of the selector (JSON-like).
    """

    order: np.ndarray
    scores: np.ndarray
    facts: JsonObject = field(default_factory=dict)

    def rows(self, eligible: pl.DataFrame) -> pl.DataFrame:
        """Return the ranked candidates in order of rank, with `rank`, from 1, and `score`.

        Args:
            eligible: All candidates, in order of id: id, source, domain, n_tokens.
        """
        return pl.concat(self.pieces([eligible])).sort("rank")

    def pieces(self, eligible: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield the ranked candidates in order of id, with `rank` and `score`; `eligible` as in `rows`, in pieces."""
        ranks, start = np.zeros(len(self.scores), np.int64), 0
        ranks[self.order] = np.arange(1, len(self.order) + 1)
        for piece in eligible:
            at = slice(start, start + piece.height)
            ranked = piece.select(pl.Series("rank", ranks[at]), pl.all(), pl.Series("score", self.scores[at]))
            yield ranked.filter(pl.col("rank") > 0)
            start += piece.height

    def write(self, path: Path, eligible: Iterable[pl.DataFrame]) -> None:
        """Write `pieces` to a Parquet file."""
        import pyarrow.parquet as pq

        partial, stream = path.with_suffix(".partial"), arrow_stream(self.pieces(eligible))
        with pq.ParquetWriter(partial, stream.schema) as writer:
            for batch in stream:
                writer.write_batch(batch)
        partial.replace(path)


def by_score(scores: np.ndarray, **facts: Any) -> Ranking:
    """Return the candidates by score (`[n]`, float64), the lowest first; equal scores in order of id."""
    return Ranking(np.argsort(scores, kind="stable"), scores, facts)


def at_random(context: SelectionContext, seed: int) -> Ranking:
    """Return the candidates by a hash of id and seed: the same order on any machine."""
    return by_score(sampling_numbers(context.eligible["id"], f"random-{seed}"))


def by_order(order: np.ndarray, scores: np.ndarray, **facts: Any) -> Ranking:
    """Return the picks in order, then the other candidates by score.

    Args:
        order: Positions of the picks: `[k]`, int64.
        scores: Score of every candidate: `[n]`.
        facts: Further results of the selector.
    """
    others = np.argsort(scores, kind="stable")
    picked = np.zeros(len(scores), np.bool_)
    picked[order] = True
    return Ranking(np.concatenate([order, others[~picked[others]]]), scores, facts)


def price(context: SelectionContext, budget: Budget) -> tuple[np.ndarray, float]:
    """Return the price of each candidate, 1 or its tokens: `[n]`, and the budget in the same unit."""
    if budget.tokens is not None:
        return context.n_tokens, float(budget.tokens)
    assert budget.rows is not None
    return np.ones(context.count), float(budget.rows)
