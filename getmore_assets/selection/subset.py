"""Ranks and budgets: the rows that fit.

Belongs here: the order of rows, how many of them are taken, and the hash that names a selection. Does not: scores.
"""

import math

import polars as pl

from getmore_assets.config import Budget
from getmore_assets.corpus.identity import draws, hash_lines


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


def resolved(budget: Budget, candidates: int) -> Budget:
    """The budget in rows or tokens: a fraction is one of all candidates, also where a ranking holds some of them."""
    return budget if budget.fraction is None else Budget(rows=math.ceil(budget.fraction * candidates))


def take(ranked: pl.DataFrame, budget: Budget) -> pl.DataFrame:
    """The first rows within the budget, in rows or tokens; a token budget is not exceeded."""
    assert budget.fraction is None
    if budget.rows is not None:
        return ranked.head(budget.rows)
    return ranked.filter(pl.col("n_tokens").cum_sum() <= budget.tokens)


def selection_hash(ids: list[str]) -> str:
    """Names a selection: ids in order of rank."""
    return hash_lines(ids)
