"""What a pool's table holds, read in order of id: its counts, and the hashes by which versions of it are compared.

Belongs here: one reading of all ids and marks. Does not: writing the table (`pool.py`).
"""

from collections import Counter
from dataclasses import dataclass

import polars as pl

from getmore_assets.corpus.id_index import IdIndex
from getmore_assets.corpus.id_order import in_id_order
from getmore_assets.corpus.identity import LinesHash


@dataclass
class PoolSummary:
    """Counts of a pool's rows, and hashes of ids and marks in order of id.

    Attributes:
        data_version: A hash of all rows.
        held_out_version: A hash of the held-out rows.
        rows: Number of rows.
        near_duplicates: Number of rows that are near-duplicates.
        domains: Number of rows of each domain.
    """

    data_version: str
    held_out_version: str
    rows: int
    near_duplicates: int
    domains: Counter[str]


def summary_of(pool: pl.LazyFrame, compared: list[str], expected: IdIndex) -> PoolSummary | None:
    """Return the summary of a pool's rows in the table; None if they are not exactly those of the expected ids.

    Args:
        pool: The rows.
        compared: The columns in which a row of the same id may have changed.
        expected: The ids of the rows that the sources have.
    """
    all_rows, held_out, found = LinesHash(), LinesHash(), PoolSummary("", "", 0, 0, Counter())
    columns = ("id", *compared, "duplicate_of", "held_out")
    for rows in in_id_order(pool.select(columns), len(expected)):
        if (expected.find(rows["id"]) < 0).any():
            return None
        all_rows.add("|".join(map(str, row)) for row in rows.iter_rows())
        held_out.add(rows.filter(pl.col("held_out") & pl.col("duplicate_of").is_null())["id"])
        found.rows += rows.height
        found.near_duplicates += rows.height - rows["duplicate_of"].null_count()
        found.domains.update(dict(rows["domain"].value_counts().rows()))
    found.data_version, found.held_out_version = all_rows.value, held_out.value
    return found if found.rows == len(expected) else None
