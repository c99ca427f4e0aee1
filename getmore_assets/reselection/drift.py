"""How far a target has drifted from the one that was selected for, and a selection from the one before.

Belongs here: the numbers. Does not: what follows from them (`config.Drift`), or the transport distance between two
targets (`transport/divergence.py`).
"""

from dataclasses import dataclass

import polars as pl


def weight_changed(before: pl.DataFrame, now: pl.DataFrame) -> float:
    """The share of the target's weight on rows that came or went: total variation of two weightings, 0 to 1.

    Args:
        before: id and weight, summing to 1.
        now: Likewise.
    """
    both = before.select("id", "weight").join(now.select("id", "weight"), on="id", how="full", coalesce=True)
    moved = (both["weight"].fill_null(0) - both["weight_right"].fill_null(0)).abs().sum()
    return float(moved) / 2


@dataclass(frozen=True)
class Difference:
    """What one selection has that another has not.

    Attributes:
        added: Rows that are new.
        dropped: Rows that left.
        jaccard: Rows in both, as a share of the rows in either.
        rank_correlation: Spearman's, of the rows in both; None for fewer than two.
        domains_added: How many of the new rows each domain has.
        domains_dropped: How many of those that left.
    """

    added: int
    dropped: int
    jaccard: float
    rank_correlation: float | None
    domains_added: dict[str, int]
    domains_dropped: dict[str, int]


def difference(before: pl.DataFrame, now: pl.DataFrame) -> Difference:
    """Compare two selections (id, rank, domain)."""
    both = before.select("id", pl.col("rank").alias("rank_before")).join(now.select("id", "rank"), on="id")
    gone, new = (one.join(both, on="id", how="anti") for one in (before, now))
    correlation = both.select(pl.corr("rank_before", "rank", method="spearman")).item() if both.height > 1 else None
    return Difference(
        new.height,
        gone.height,
        jaccard(before["id"], now["id"]),
        correlation,
        dict(new["domain"].value_counts(sort=True).rows()),
        dict(gone["domain"].value_counts(sort=True).rows()),
    )


def jaccard(before: pl.Series, now: pl.Series) -> float:
    """Ids in both, as a share of the ids in either; 1 for two empty ones."""
    either = pl.concat([before, now]).n_unique()
    return (before.n_unique() + now.n_unique() - either) / either if either else 1.0
