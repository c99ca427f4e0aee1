"""The rows of a ranking that are within the budget.

Belongs here: a budget in rows, tokens or as a fraction, and the rows within it. Does not: ranks (`ranking.py`).
"""

import math

import polars as pl

from getmore_assets.config import Budget
from getmore_assets.corpus.tokens import COUNT


def resolved(budget: Budget, candidates: int) -> Budget:
    """Return the budget in rows or tokens. A fraction is of all candidates, even if a ranking has only some of them."""
    return budget if budget.fraction is None else Budget(rows=math.ceil(budget.fraction * candidates))


def within_budget(ranked: pl.LazyFrame | pl.DataFrame, budget: Budget) -> pl.DataFrame:
    """Return the first rows within a budget of rows or tokens, in order of `rank`; a token budget is not exceeded."""
    assert budget.fraction is None
    ranked, rows = ranked.lazy(), budget.rows
    if rows is None:
        within = COUNT.sort_by("rank").cum_sum() <= budget.tokens
        rows = ranked.select(within.sum()).collect().item()
    return ranked.filter(pl.col("rank") <= rows).sort("rank").collect()
