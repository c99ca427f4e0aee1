"""Drift: the difference between two versions of a target, or between two selections.

Belongs here: measuring. Does not: the limits (`config.Drift`), or the transport distance between two targets
(`transport/divergence.py`).
"""

from dataclasses import dataclass

import polars as pl


def weight_changed(before: pl.DataFrame, now: pl.DataFrame) -> float:
    """Return the total variation distance between two weightings of rows, from 0 to 1.

    Args:
        before: Columns id and weight; the weights sum to 1.
        now: Likewise.
    """
    both = before.select("id", "weight").join(now.select("id", "weight"), on="id", how="full", coalesce=True)
    moved = (both["weight"].fill_null(0) - both["weight_right"].fill_null(0)).abs().sum()
    return float(moved) / 2


@dataclass(frozen=True)
class Difference:
    """The difference between a selection and the previous selection.

    Attributes:
        added: Number of rows that only the new selection has.
        dropped: Number of rows that only the previous selection has.
        jaccard: Rows in both, as a share of the rows in either.
        rank_correlation: Spearman's correlation of the ranks of the rows in both; None for fewer than two.
        domains_added: Number of added rows by domain.
        domains_dropped: Number of dropped rows by domain.
    """

    added: int
    dropped: int
    jaccard: float
    rank_correlation: float | None
    domains_added: dict[str, int]
    domains_dropped: dict[str, int]


def difference(before: pl.DataFrame, now: pl.DataFrame) -> Difference:
    """Return the difference between two selections (columns id, rank, domain)."""
    both = before.select("id", pl.col("rank").alias("rank_before")).join(now.select("id", "rank"), on="id")
    dropped, added = (rows.join(both, on="id", how="anti") for rows in (before, now))
    correlation = both.select(pl.corr("rank_before", "rank", method="spearman")).item() if both.height > 1 else None
    return Difference(
        added.height,
        dropped.height,
        jaccard(before["id"], now["id"]),
        correlation,
        dict(added["domain"].value_counts(sort=True).rows()),
        dict(dropped["domain"].value_counts(sort=True).rows()),
    )


def jaccard(before: pl.Series, now: pl.Series) -> float:
    """Return the ids in both as a share of the ids in either; 1 if both are empty."""
    either = pl.concat([before, now]).n_unique()
    return (before.n_unique() + now.n_unique() - either) / either if either else 1.0
