"""What a selector makes of its context: a ranking of all candidates, by scores or by picks.

Belongs here: the ranking, and the ways to one. Does not: the budget (`budget.py`), or any selector.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.config import Budget
from getmore_assets.corpus.identity import draws
from getmore_assets.json_models import JsonObject
from getmore_assets.selection.context import SelectionContext


@dataclass(frozen=True)
class Ranking:
    """What a selector makes of its context.

    Attributes:
        rows: Every candidate by `rank`, from 1, with its `score`, the smallest first.
        facts: What else it found out (JSON-like).
    """

    rows: pl.DataFrame
    facts: JsonObject = field(default_factory=dict)


def rank_by_score(candidates: pl.DataFrame) -> pl.DataFrame:
    """Candidates with a `rank` from 1, smallest score first; equal scores in order of id."""
    return numbered(candidates.sort("score", "id"))


def numbered(candidates: pl.DataFrame) -> pl.DataFrame:
    """Candidates with a `rank` from 1, in the order they are in."""
    return candidates.with_row_index("rank", 1).with_columns(pl.col("rank").cast(pl.Int64))


def rank_at_random(candidates: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Candidates with a `rank` and a `score` drawn from id and seed: the same order on any machine."""
    drawn = draws(candidates["id"], f"random-{seed}")
    return rank_by_score(candidates.with_columns(pl.Series("score", drawn)))


def by_score(context: SelectionContext, scores: np.ndarray, **facts: Any) -> Ranking:
    """Return the candidates by score (`[n]`, float64), the lowest first."""
    return Ranking(rank_by_score(context.eligible.with_columns(pl.Series("score", scores))), facts)


def by_order(context: SelectionContext, order: np.ndarray, scores: np.ndarray, **facts: Any) -> Ranking:
    """Return what was picked, in order, then the rest by score.

    Args:
        context: The candidates.
        order: Places of the picks: `[k]`, int64.
        scores: Of every candidate: `[n]`.
        facts: What else was found out.
    """
    turn = np.full(context.eligible.height, len(order), np.int64)
    turn[order] = np.arange(len(order))
    rows = context.eligible.with_columns(pl.Series("score", scores), pl.Series("turn", turn)).sort(
        "turn", "score", "id"
    )
    return Ranking(numbered(rows.drop("turn")), facts)


def price(context: SelectionContext, budget: Budget) -> tuple[np.ndarray, float]:
    """Return what each candidate costs, `[n]`, and how much may be spent."""
    if budget.tokens is not None:
        return context.n_tokens, float(budget.tokens)
    assert budget.rows is not None
    return np.ones(context.eligible.height), float(budget.rows)
