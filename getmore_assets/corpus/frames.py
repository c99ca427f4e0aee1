"""Rows as frames of bounded size, with row numbers, and with payloads if rows are kept whole.

Belongs here: building frames, the same for all formats. Does not: decoding files (`formats.py`).
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

from getmore_assets.corpus import payloads
from getmore_assets.corpus.library_errors import guarded
from getmore_assets.corpus.lines import CUT_IT, LONGEST_ROW, TOO_LONG
from getmore_assets.corpus.reading import Reading, Row

if TYPE_CHECKING:
    import pyarrow as pa

Batches = Iterator[tuple[int, pl.DataFrame]]
Columns = list[str] | None

BATCH = 8192  # rows
LINE = "#line"  # the column with a row that is kept whole, as JSON
_PLAIN: dict[type, Any] = {str: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean}


def of_rows(rows: Iterator[tuple[int, Row, int]], columns: Columns, keys: Callable[[], set[str]] = set) -> Batches:
    """Yield frames of rows; columns that no row has are left out.

    Args:
        rows: Number, fields and size of each row.
        columns: The requested columns; None for all columns of the rows.
        keys: Returns the columns that any row of the file has; called if the first rows lack a column.
    """
    batch: list[Row] = []
    total, seen = 0, set[str]()
    unchecked = set(columns or ())
    for number, row, size in rows:
        batch.append({**row, "#row": number})
        total += size
        if len(batch) == BATCH or total > LONGEST_ROW:
            if unchecked and not unchecked <= seen | {key for each in batch for key in each}:
                seen |= unchecked & keys()
                unchecked = set()
            yield batch[0]["#row"], _frame(batch, columns, seen)
            batch, total = [], 0
    if batch:
        yield batch[0]["#row"], _frame(batch, columns, seen)


def _frame(batch: list[Row], columns: Columns, seen: set[str]) -> pl.DataFrame:
    """Return rows as a frame; `seen` are the columns of earlier frames, to which this frame's are added."""
    every = columns if columns is not None else sorted({c for row in batch for c in row} - {"#row", LINE})
    seen |= {c for c in every if c not in seen and any(c in row for row in batch)}
    present = [c for c in every if c in seen]
    if len(present) < len(every):  # the error message lists the file's columns
        present = sorted({c for row in batch[:20] for c in row} - {"#row", LINE})
    frame = pl.DataFrame([_column(c, [row.get(c) for row in batch]) for c in ["#row", *present]])
    return with_payloads(frame, payloads.of_lines([row[LINE] for row in batch])) if LINE in batch[0] else frame


def with_payloads(frame: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Add the payloads of a frame's rows, with prefixed names, which no column of a source may have."""
    return pl.concat([frame, rows.rename(lambda name: payloads.PREFIX + name)], how="horizontal")


def _column(name: str, values: list[Any]) -> pl.Series:
    """Return JSON values as a column; values of several types stay Python objects, as Polars would cast them."""
    kinds = set(map(type, values)) - {type(None)}
    plain = _PLAIN.get(next(iter(kinds))) if len(kinds) == 1 else None
    if kinds and plain is None:
        return pl.Series(name, values, dtype=pl.Object)
    try:
        return pl.Series(name, values, dtype=plain or pl.Null)
    except OverflowError:  # an integer of more than 64 bits
        return pl.Series(name, values, dtype=pl.Object)


def of_tables(tables: Iterator["pa.Table"], where: str, columns: Columns, reading: Reading) -> Batches:
    """Yield frames of Arrow rows that are kept whole: the requested columns, and the payloads."""

    def frames() -> Batches:
        start = 1
        for table in tables:
            present = table.column_names
            selected = columns if columns is not None and set(columns) <= set(present) else present
            frame = pl.from_arrow(table.select(list(dict.fromkeys(selected))))
            assert isinstance(frame, pl.DataFrame)
            yield start, with_payloads(frame, payloads.of_table(table))
            start += table.num_rows

    yield from bounded(guarded(where, frames()), where, reading)


def bounded(batches: Batches, where: str, reading: Reading) -> Batches:
    """Split batches into batches of bounded size: a small file may repeat a long text in a million rows.

    Raises:
        BadInput: A row is too long, and `bad_rows` is `error`.
    """
    for start, batch in batches:
        texts = [name for name, kind in batch.schema.items() if kind == pl.String]
        lengths = (pl.col(name).str.len_bytes().cast(pl.Int64).fill_null(0) for name in texts)
        sizes = batch.select(size=pl.sum_horizontal(pl.lit(0, pl.Int64), *lengths, *_payload_size(batch)))["size"]
        if sizes.sum() <= LONGEST_ROW:
            yield start, batch
            continue
        for row in (sizes > LONGEST_ROW).arg_true():
            reading.bad(f"{where}:{start + row}", TOO_LONG, CUT_IT)
        numbered = batch.with_columns(pl.int_range(start, start + batch.height).alias("#row"), sizes.alias("#size"))
        short = numbered.filter(pl.col("#size") <= LONGEST_ROW)
        parts = short.with_columns(pl.col("#size").cum_sum() // LONGEST_ROW)
        for part in parts.partition_by("#size", maintain_order=True, include_key=False):
            yield part["#row"][0], part


def _payload_size(batch: pl.DataFrame) -> list[pl.Expr]:
    column = payloads.PREFIX + "payload"
    return [pl.col(column).bin.size().cast(pl.Int64)] if column in batch.columns else []
