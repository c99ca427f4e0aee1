"""Random rows of the domains nearest to the target: a baseline that uses only the domain label.

Belongs here: the order of rows. Does not: the distances of domains (`transport/triage.py`).

Continued pre-training on the nearest domain is the simplest rival of any selector (Gururangan et al., "Don't Stop
Pretraining", ACL 2020): a selector's gain over these rows is due to its selection within the domain.
"""

import numpy as np
import polars as pl

from getmore_assets.corpus.identity import sampling_numbers

_SIZE = 2.0  # budgets that the nearest domains hold; a comparison at equal tokens may need more than one budget


def scores(eligible: pl.DataFrame, nearness: pl.DataFrame, price: np.ndarray, spend: float, seed: int) -> np.ndarray:
    """Return random scores, lower for the rows of the nearest domains than for the rows of each further domain.

    Args:
        eligible: The candidates: id, domain, and other columns.
        nearness: domain and nearness (rank, from 1).
        price: Price of each candidate, 1 or its tokens: `[n]`.
        spend: The budget, in the same unit.
        seed: Seed of the random order.

    Returns:
        `[n]`, float64: 0 to 1 in the nearest domains, 1 to 2 in the next domain, and so on.
    """
    rows = eligible.with_columns(pl.Series("price", price)).join(nearness, on="domain", how="left")
    domains = rows.group_by("domain", "nearness").agg(pl.col("price").sum()).sort("nearness", nulls_last=True)
    before = domains["price"].cum_sum() - domains["price"]
    turns = domains.select("domain", turn=(before >= _SIZE * spend).cast(pl.Int64).cum_sum())
    turn = eligible.select("domain").join(turns, on="domain", maintain_order="left")["turn"].to_numpy()
    drawn: np.ndarray = turn + sampling_numbers(eligible["id"], f"domain-{seed}")
    return drawn
