"""Samples of a table's columns, with statistics that tell texts, labels and ids apart.

Belongs here: reading some rows, and counting. Does not: which column has which role (`column_roles.py`).
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from getmore_assets.corpus import formats, meanings
from getmore_assets.corpus.reading import Reading, Row
from getmore_assets.corpus.rendering import NotTextError, in_pieces, render
from getmore_assets.corpus.shapes import Recognised, recognise
from getmore_assets.drafting.files import SourceFiles
from getmore_assets.errors import BadInput

_LONGEST_NAME = 80  # characters; a longer name shows that the first line is a row, not names
_SHOWN = 3
_MOST_VALUES = 1000
_MOST_SHAPE_ROWS = 200  # rows from which a trainer's shape is recognised
_MOST_TEXTS = 200  # most text files that are opened
_STRINGS = (pl.String, pl.Categorical, pl.Enum, pl.Null)
_YEAR = re.compile(r"(19|20)\d\d|nan|inf(inity)?", re.IGNORECASE)  # parses as a number, but may be a column's name
_JSON = r"^\s*(?:\{\s*(?:\"|\})|\[\s*[\[\]{\"\d-])"  # the beginning of a JSON object or list
_TIME = r"^(\d{4}-\d\d(-\d\d)?([T ]\d\d:.*)?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d\d:\d\d(:\d\d)?)$"


class NoTextsError(BadInput):
    """A table without rows or without texts: it cannot be part of a task, but may be left out without an error."""


@dataclass(frozen=True)
class Column:
    """Statistics of one column in the sampled rows.

    Attributes:
        name: Name of the column.
        holds: words (several per value), values (strings without spaces), numbers (also as strings), other (bytes,
            times, and lists or objects, also as JSON strings), or nothing.
        is_text: Whether the column is stored as strings, as a text column must be.
        rows: Number of filled values, neither null nor blank.
        filled: Share of filled values, 0 to 1.
        length: Mean number of characters of a filled value.
        distinct: Number of different filled values.
        values: The most frequent values, at most 1,000.
    """

    name: str
    holds: str
    is_text: bool
    rows: int
    filled: float
    length: float
    distinct: int
    values: tuple[str, ...]

    def summary(self) -> str:
        """Return a short description of the values."""
        if self.holds == "nothing":
            return "nothing"
        if self.holds == "words":
            return f"{self.length:,.0f} characters a row"
        first = ", ".join(value[:24] for value in self.values[:_SHOWN])
        return f"{self.distinct:,} values: {first}{', …' if self.distinct > _SHOWN else ''}"


@dataclass(frozen=True)
class Table:
    """A sample of a table.

    Attributes:
        data: The files of the table.
        rows: Number of sampled rows.
        whole: Whether the sample is the whole table.
        columns: The columns by name, in their order.
        shape: The trainer's shape of the rows; None for rows of text.
        unusable: Number of rows that have nothing, or no messages, in the columns of that shape.
        partly: Columns that only some files have.
    """

    data: SourceFiles
    rows: int
    whole: bool
    columns: dict[str, Column]
    shape: Recognised | None = None
    unusable: int = 0
    partly: tuple[str, ...] = ()


def look(data: SourceFiles, most: int, filled_column: str | None = None) -> Table:
    """Read rows from the start of a table (with several files: of the first and the last), and count the values.

    Args:
        data: The files of the table.
        most: Approximate limit of rows.
        filled_column: Count only rows with text in this column; None for all rows.

    Raises:
        NoTextsError: The table has no rows.
        BadInput: The table cannot be read, or has no column names; the message names file and row.
    """
    filled = tuple(file for file in data.files if file.is_dir() or file.stat().st_size) or data.files
    ends = tuple(dict.fromkeys([filled[0], filled[-1]]))
    files = filled[:_MOST_TEXTS] if data.kind == "text" else ends
    seen: dict[str, list[pl.Series]] = {}
    batches: list[pl.DataFrame] = []
    everywhere: set[str] | None = None
    rows, whole = 0, files == filled
    for file in files:
        names, start = set(), rows
        for batch in _batches(data, file, filled_column):
            if rows - start >= max(1, most // len(files)):
                whole = False
                break
            rows += batch.height
            batches.append(batch)
            for name in (c for c in batch.columns if c != "#row"):
                names.add(name)
                seen.setdefault(name, []).append(batch[name])
        _refuse_odd(data, file, names)
        if rows == start:  # a shard without rows has no columns either
            continue
        everywhere = names if everywhere is None else everywhere & names
    if not rows:
        raise NoTextsError(data.named, "holds no rows", "Give a file that has rows, or leave it out")
    columns = {name: _column(name, parts, rows) for name, parts in seen.items() if name in (everywhere or ())}
    partly = tuple(name for name in seen if name not in columns)
    shape = recognise(
        [row for batch in batches for row in _rows(batch.head(_MOST_SHAPE_ROWS), list(columns))][:_MOST_SHAPE_ROWS]
    )
    return Table(data, rows, whole, columns, shape, _unusable(batches, shape) if shape else 0, partly)


def _rows(batch: pl.DataFrame, columns: list[str]) -> Iterator[Row]:
    """Yield rows as Python objects, with the columns that exist."""
    present = [column for column in columns if column in batch.columns]
    for values in zip(*(batch[column].to_list() for column in present), strict=True):
        yield dict(zip(present, values, strict=True))


def _unusable(batches: list[pl.DataFrame], shape: Recognised) -> int:
    """Return the number of rows that the reader would refuse with the shape's text."""
    count = 0
    for batch in batches:
        for row in _rows(batch, shape.columns):
            try:
                count += not render(row, shape.text).text.strip()
            except NotTextError:
                count += 1
    return count


def _batches(data: SourceFiles, file: Path, filled: str | None) -> Iterator[pl.DataFrame]:
    try:
        for _, batch in formats.READERS[data.kind](file, None, Reading(data.source())):
            yield batch.filter(meanings.text(batch[filled]).reasons.is_null()) if filled in batch.columns else batch
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(str(file), f"cannot be read ({str(error).splitlines()[0]})", "Mend it or leave it out") from None


def _refuse_odd(data: SourceFiles, file: Path, names: set[str]) -> None:
    """Refuse a file that is no table of the format in its name, or has no column names in its first line."""
    if data.kind not in ("csv", "tsv") or not names:
        return
    first = ", ".join(sorted(names))
    if any(len(name) > _LONGEST_NAME or _is_number(name) for name in names):
        what = f"its first line is not the names of its columns ({first[:_LONGEST_NAME]})"
        raise BadInput(f"{file}:1", what, "Add a line of names at the top")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return not _YEAR.fullmatch(text)


def _column(name: str, parts: list[pl.Series], rows: int) -> Column:
    parts = [_of_one_kind(part) for part in parts]
    other = not all(part.dtype in _STRINGS or part.dtype.is_numeric() or part.dtype == pl.Boolean for part in parts)
    texts = [] if other else [part.cast(pl.String).str.strip_chars().alias("value") for part in parts]
    filled = pl.concat([pl.Series("value", [], pl.String), *texts])
    filled = filled.filter((filled != "").fill_null(False))
    counts = filled.value_counts().sort(["count", "value"], descending=[True, False])
    return Column(
        name=name,
        holds="other" if other else _holds(filled),
        is_text=all(part.dtype in _STRINGS for part in parts),
        rows=len(filled),
        filled=len(filled) / rows,
        length=float(filled.str.len_chars().mean() or 0),  # type: ignore[arg-type]
        distinct=counts.height,
        values=tuple(counts["value"][:_MOST_VALUES]),
    )


def _of_one_kind(part: pl.Series) -> pl.Series:
    """Return a JSON column with mostly plain values as a plain column; its few other values become null.

    Text in pieces is joined, and counts as text.
    """
    if part.dtype != pl.Object:
        return part
    values = [value if (pieces := in_pieces(value)) is None else pieces for value in part]
    kinds = Counter(type(value) for value in values if value is not None)
    kind, count = kinds.most_common(1)[0] if kinds else (type(None), 0)
    if kind not in (str, int, float, bool) or 2 * count <= kinds.total():
        return part
    return pl.Series(part.name, [str(value) if type(value) is kind else None for value in values], pl.String)


def _holds(filled: pl.Series) -> str:
    if not len(filled):
        return "nothing"
    if filled.cast(pl.Float64, strict=False).null_count() == 0:
        return "numbers"
    if filled.str.contains(_JSON).mean() > 0.5 or filled.str.contains(_TIME).mean() > 0.5:  # type: ignore[operator]
        return "other"
    several = filled.str.contains(r"\s") | filled.str.contains(r"[^\x00-\x7f]{8}")  # some scripts have no spaces
    return "words" if several.mean() > 0.5 else "values"  # type: ignore[operator]
