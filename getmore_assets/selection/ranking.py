"""The ranking of candidates, which a selector returns: by score, or by order of picks.

Belongs here: the ranking, and functions that build one. Does not: the budget (`budget.py`), or any selector.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.config import Budget
from getmore_assets.corpus.id_order import PIECE_ROWS
from getmore_assets.corpus.identity import sampling_numbers
from getmore_assets.json_models import JsonObject
from getmore_assets.pieces import arrow_stream
from getmore_assets.selection.context import SelectionContext


@dataclass(frozen=True)
class Ranking:
    """The result of a selector.

    Attributes:
        eligible: The candidates, in order of id: id, source, domain, n_tokens.
        order: Their positions, best first: `[k]`, int64; candidates that are not in it have no rank.
        scores: Their scores, lower is better: `[n]`, float64.
        facts: Further results of the selector (JSON-like).
    """

    eligible: pl.DataFrame
    order: np.ndarray
    scores: np.ndarray
    facts: JsonObject = field(default_factory=dict)

    def pieces(self) -> Iterator[pl.DataFrame]:
        """Yield the ranked candidates with `rank`, from 1, and `score`, in order of rank, about a million at once."""
        for start in range(0, max(1, len(self.order)), PIECE_ROWS):
            at = self.order[start : start + PIECE_ROWS]
            rank = np.arange(start + 1, start + 1 + len(at), dtype=np.int64)
            yield self.eligible[at].select(pl.Series("rank", rank), pl.all(), pl.Series("score", self.scores[at]))

    def write(self, path: Path) -> None:
        """Write the rows of `pieces` to a Parquet file."""
        import pyarrow.parquet as pq

        partial, stream = path.with_suffix(".partial"), arrow_stream(self.pieces())
        with pq.ParquetWriter(partial, stream.schema) as writer:
            for batch in stream:
                writer.write_batch(batch)
        partial.replace(path)

    @property
    def rows(self) -> pl.DataFrame:
        """The ranked candidates, as one frame."""
        return pl.concat(self.pieces())


def by_score(context: SelectionContext, scores: np.ndarray, **facts: Any) -> Ranking:
    """Return the candidates by score (`[n]`, float64), the lowest first; equal scores in order of id."""
    return Ranking(context.eligible, np.argsort(scores, kind="stable"), scores, facts)


def at_random(context: SelectionContext, seed: int) -> Ranking:
    """Return the candidates by a hash of id and seed: the same order on any machine."""
    return by_score(context, sampling_numbers(context.eligible["id"], f"random-{seed}"))


def by_order(context: SelectionContext, order: np.ndarray, scores: np.ndarray, **facts: Any) -> Ranking:
    """Return the picks in order, then the other candidates by score.

    Args:
        context: The context with the candidates.
        order: Positions of the picks: `[k]`, int64.
        scores: Score of every candidate: `[n]`.
        facts: Further results of the selector.
    """
    others = np.argsort(scores, kind="stable")
    picked = np.zeros(len(scores), np.bool_)
    picked[order] = True
    return Ranking(context.eligible, np.concatenate([order, others[~picked[others]]]), scores, facts)


def price(context: SelectionContext, budget: Budget) -> tuple[np.ndarray, float]:
    """Return the price of each candidate, 1 or its tokens: `[n]`, and the budget in the same unit."""
    if budget.tokens is not None:
        return context.n_tokens, float(budget.tokens)
    assert budget.rows is not None
    return np.ones(context.eligible.height), float(budget.rows)
