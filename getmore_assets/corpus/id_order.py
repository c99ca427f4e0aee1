"""Rows of a scan in order of id, without all of them in memory at once.

Belongs here: dividing ids into ranges. Does not: what is read (`candidates.py`, `pool.py`).
"""

from collections.abc import Iterator

import polars as pl

PIECE_ROWS = 2**19
_MOST_PIECES = 32  # each piece scans all ids, so that many pieces would take longer than they save memory
_PREFIXES = 16**4


def in_id_order(rows: pl.LazyFrame, count: int) -> Iterator[pl.DataFrame]:
    """Yield rows in order of id, about 500,000 at once; ids are hashes, so ranges of ids hold equal numbers of rows.

    Args:
        rows: A scan with the column `id`: hashes in hex.
        count: About how many rows it has.
    """
    pieces = min(_MOST_PIECES, -(-count // PIECE_ROWS)) or 1
    starts = [f"{_PREFIXES * piece // pieces:04x}" for piece in range(1, pieces)]
    for start, stop in zip([None, *starts], [*starts, None], strict=True):
        within = [] if start is None else [pl.col("id") >= start]
        within += [] if stop is None else [pl.col("id") < stop]
        yield (rows.filter(*within) if within else rows).sort("id").collect()
