"""The ranking of all candidates, which a selector returns: by score, or by order of picks.

Belongs here: the ranking, and functions that build one. Does not: the budget (`budget.py`), or any selector.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.config import Budget
from getmore_assets.corpus.identity import sampling_numbers
from getmore_assets.json_models import JsonObject
from getmore_assets.selection.context import SelectionContext


@dataclass(frozen=True)
class Ranking:
    """The result of a selector.

    Attributes:
        rows: All candidates with `rank`, from 1, and `score` (lower is better), in order of rank.
        facts: Further results of the selector (JSON-like).
    """

    rows: pl.DataFrame
    facts: JsonObject = field(default_factory=dict)


def rank_by_score(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return candidates with a `rank` from 1, smallest score first; equal scores in order of id."""
    return numbered(candidates.sort("score", "id"))


def numbered(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return candidates with a `rank` from 1, in their present order."""
    return candidates.with_row_index("rank", 1).with_columns(pl.col("rank").cast(pl.Int64))


def rank_at_random(candidates: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return candidates with `rank` and `score`, a hash of id and seed: the same order on any machine."""
    scores = sampling_numbers(candidates["id"], f"random-{seed}")
    return rank_by_score(candidates.with_columns(pl.Series("score", scores)))


def by_score(context: SelectionContext, scores: np.ndarray, **facts: Any) -> Ranking:
    """Return the candidates by score (`[n]`, float64), the lowest first."""
    return Ranking(rank_by_score(context.eligible.with_columns(pl.Series("score", scores))), facts)


def by_order(context: SelectionContext, order: np.ndarray, scores: np.ndarray, **facts: Any) -> Ranking:
    """Return the picks in order, then the other candidates by score.

    Args:
        context: The context with the candidates.
        order: Indices of the picks: `[k]`, int64.
        scores: Score of every candidate: `[n]`.
        facts: Further results of the selector.
    """
    turn = np.full(context.eligible.height, len(order), np.int64)
    turn[order] = np.arange(len(order))
    rows = context.eligible.with_columns(pl.Series("score", scores), pl.Series("turn", turn)).sort(
        "turn", "score", "id"
    )
    return Ranking(numbered(rows.drop("turn")), facts)


def price(context: SelectionContext, budget: Budget) -> tuple[np.ndarray, float]:
    """Return the price of each candidate, 1 or its tokens: `[n]`, and the budget in the same unit."""
    if budget.tokens is not None:
        return context.n_tokens, float(budget.tokens)
    assert budget.rows is not None
    return np.ones(context.eligible.height), float(budget.rows)
