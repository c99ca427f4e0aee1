"""Tables that are read and written in pieces, so that a piece is in memory and not the table.

Belongs here: batches of a scan, a stream of frames, and the vectors of a frame. Does not: any table (`lake.py`).
"""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 2**16  # a writer of Delta tables holds several batches at once


def vectors_of(rows: pl.DataFrame, column: str = "vector") -> np.ndarray:
    """Return a list column as a matrix: `[rows, d]`, float32."""
    width = rows[column].list.len().max()
    if width is None:
        return np.empty((0, 0), np.float32)
    matrix = rows[column].list.to_array(int(width)).to_numpy()  # type: ignore[arg-type]
    return np.ascontiguousarray(matrix, dtype=np.float32)


def arrow_stream(pieces: Iterator[pl.DataFrame]) -> "pa.RecordBatchReader":
    """Return frames of one schema, at least one, as a stream that reads one frame after the other."""
    import pyarrow as pa

    tables = (piece.to_arrow() for piece in pieces)
    first = next(tables)
    return pa.RecordBatchReader.from_batches(
        first.schema,
        (batch for table in chain([first], tables) for batch in table.to_batches(max_chunksize=_BATCH_ROWS)),
    )


def batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Yield a scan in batches, so that memory is bounded by `rows` and not by the table."""
    yield from frame.collect_batches(chunk_size=rows, maintain_order=True)
