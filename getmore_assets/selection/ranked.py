"""What a selector makes of its ground: a ranking of all candidates, by scores or by picks.

Belongs here: the ranking, and the two ways to one. Does not: the ranks themselves (`subset.py`), or any selector.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.config import Budget
from getmore_assets.selection import subset
from getmore_assets.selection.ground import Ground


@dataclass(frozen=True)
class Ranked:
    """What a selector makes of its ground.

    Attributes:
        rows: Every candidate by `rank`, from 1, with its `score`, the smallest first.
        facts: What else it found out (JSON-like).
    """

    rows: pl.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)


def by_score(ground: Ground, scores: np.ndarray, **facts: Any) -> Ranked:
    """Return the candidates by score (`[n]`, float64), the lowest first."""
    return Ranked(subset.rank_by_score(ground.eligible.with_columns(pl.Series("score", scores))), facts)


def by_order(ground: Ground, order: np.ndarray, scores: np.ndarray, **facts: Any) -> Ranked:
    """Return what was picked, in order, then the rest by score.

    Args:
        ground: The candidates.
        order: Places of the picks: `[k]`, int64.
        scores: Of every candidate: `[n]`.
        facts: What else was found out.
    """
    turn = np.full(ground.eligible.height, len(order), np.int64)
    turn[order] = np.arange(len(order))
    rows = ground.eligible.with_columns(pl.Series("score", scores), pl.Series("turn", turn)).sort("turn", "score", "id")
    return Ranked(subset.numbered(rows.drop("turn")), facts)


def price(ground: Ground, budget: Budget) -> tuple[np.ndarray, float]:
    """Return what each candidate costs, `[n]`, and how much may be spent."""
    if budget.tokens is not None:
        return ground.n_tokens, float(budget.tokens)
    assert budget.rows is not None
    return np.ones(ground.eligible.height), float(budget.rows)
