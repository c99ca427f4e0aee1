"""Rows as frames of bounded size, each row with its number; whole rows with the row itself.

Belongs here: what is the same for all formats. Does not: decoding them (`formats.py`).
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
LINE = "#line"  # of a row that is kept whole, as JSON
_PLAIN: dict[type, Any] = {str: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean}


def of_rows(rows: Iterator[tuple[int, Row, int]], columns: Columns, keys: Callable[[], set[str]] = set) -> Batches:
    """Frames of numbered rows with their sizes; columns that no row has are left out.

    Args:
        rows: Number, fields and size of each.
        columns: What is asked for; all that rows have without it.
        keys: Returns the columns that any row of the file has; asked where the first rows lack one.
    """
    batch: list[Row] = []
    held, met = 0, set[str]()
    asked = set(columns or ())
    for number, row, size in rows:
        batch.append({**row, "#row": number})
        held += size
        if len(batch) == BATCH or held > LONGEST_ROW:
            if asked and not asked <= met | {key for one in batch for key in one}:
                met |= asked & keys()
                asked = set()
            yield batch[0]["#row"], _frame(batch, columns, met)
            batch, held = [], 0
    if batch:
        yield batch[0]["#row"], _frame(batch, columns, met)


def _frame(batch: list[Row], columns: Columns, met: set[str]) -> pl.DataFrame:
    """A frame of rows; `met` are the columns that a frame before it had, to which its own are added."""
    every = columns if columns is not None else sorted({c for row in batch for c in row} - {"#row", LINE})
    met |= {c for c in every if c not in met and any(c in row for row in batch)}
    present = [c for c in every if c in met]
    if len(present) < len(every):  # show the reader of the error what there is
        present = sorted({c for row in batch[:20] for c in row} - {"#row", LINE})
    frame = pl.DataFrame([_column(c, [row.get(c) for row in batch]) for c in ["#row", *present]])
    return with_payloads(frame, payloads.of_lines([row[LINE] for row in batch])) if LINE in batch[0] else frame


def with_payloads(frame: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """A frame beside the payloads of its rows, under names that no column of a source has."""
    return pl.concat([frame, kept.rename(lambda name: payloads.UNPROVED + name)], how="horizontal")


def _column(name: str, values: list[Any]) -> pl.Series:
    """Values of JSON as a column, typed where all are of one plain type: polars casts a mixture, or drops fields."""
    kinds = set(map(type, values)) - {type(None)}
    plain = _PLAIN.get(next(iter(kinds))) if len(kinds) == 1 else None
    if kinds and plain is None:
        return pl.Series(name, values, dtype=pl.Object)
    try:
        return pl.Series(name, values, dtype=plain or pl.Null)
    except OverflowError:  # a whole number of more than 64 bits
        return pl.Series(name, values, dtype=pl.Object)


def of_tables(tables: Iterator["pa.Table"], where: str, columns: Columns, reading: Reading) -> Batches:
    """Frames of whole rows with types: the columns asked for, and each row as it stands."""

    def made() -> Batches:
        start = 1
        for table in tables:
            present = table.column_names
            wanted = columns if columns is not None and set(columns) <= set(present) else present
            frame = pl.from_arrow(table.select(list(dict.fromkeys(wanted))))
            assert isinstance(frame, pl.DataFrame)
            yield start, with_payloads(frame, payloads.of_table(table))
            start += table.num_rows

    yield from bounded(guarded(where, made()), where, reading)


def bounded(batches: Batches, where: str, reading: Reading) -> Batches:
    """The same rows in pieces of bounded size: a small file may hold one long text in a million rows.

    Raises:
        BadInput: A row is too long; `bad_rows: skip` leaves it out.
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
        kept = numbered.filter(pl.col("#size") <= LONGEST_ROW)
        parts = kept.with_columns(pl.col("#size").cum_sum() // LONGEST_ROW)
        for part in parts.partition_by("#size", maintain_order=True, include_key=False):
            yield part["#row"][0], part


def _payload_size(batch: pl.DataFrame) -> list[pl.Expr]:
    column = payloads.UNPROVED + "payload"
    return [pl.col(column).bin.size().cast(pl.Int64)] if column in batch.columns else []
