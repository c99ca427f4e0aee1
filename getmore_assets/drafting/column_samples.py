"""What the columns of a table hold: enough to tell a text from a label from an id.

Belongs here: reading some rows, and counting. Does not: which column plays which part (`column_roles.py`).
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

_LONGEST_NAME = 80  # characters; what is longer is a row where the names should be
_SHOWN = 3
_MOST_VALUES = 1000
_MOST_SHAPED = 200  # rows that a shape is told from
_MOST_TEXTS = 200  # files of text that are opened
_STRINGS = (pl.String, pl.Categorical, pl.Enum, pl.Null)
_YEAR = re.compile(r"(19|20)\d\d|nan|inf(inity)?", re.IGNORECASE)  # reads as a number, and may be a column's name
_JSON = r"^\s*(?:\{\s*(?:\"|\})|\[\s*[\[\]{\"\d-])"  # how an object or a list of JSON begins
_TIME = r"^(\d{4}-\d\d(-\d\d)?([T ]\d\d:.*)?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d\d:\d\d(:\d\d)?)$"


class NoTextsError(BadInput):
    """A table without rows, or without a column of texts: no part of a task, and no fault either."""


@dataclass(frozen=True)
class Column:
    """What one column holds, in the rows that were looked at.

    Attributes:
        name: Of the column.
        holds: words (several a value), values (strings of one piece), numbers (strings of digits too), other (lists,
            objects, also as JSON in a string, bytes, times), or nothing.
        is_text: Whether it is stored as strings, which a text column must be.
        rows: How many have a value, neither null nor blank.
        filled: Those as a share of all, 0 to 1.
        length: Mean characters of a filled value.
        distinct: How many different filled values there are.
        values: The commonest of them, at most 1,000.
    """

    name: str
    holds: str
    is_text: bool
    rows: int
    filled: float
    length: float
    distinct: int
    values: tuple[str, ...]

    def said(self) -> str:
        """What it holds, in a few words."""
        if self.holds == "nothing":
            return "nothing"
        if self.holds == "words":
            return f"{self.length:,.0f} characters a row"
        some = ", ".join(value[:24] for value in self.values[:_SHOWN])
        return f"{self.distinct:,} values: {some}{', …' if self.distinct > _SHOWN else ''}"


@dataclass(frozen=True)
class Table:
    """A look at what was found.

    Attributes:
        found: What was looked at.
        rows: How many were.
        whole: Whether those are all of them.
        columns: By name, in their order.
        shape: What trainers call rows of such columns; None of rows of text.
        unusable: How many rows hold nothing, or no messages, in the columns of that shape.
        partly: The columns that only some files have.
    """

    found: SourceFiles
    rows: int
    whole: bool
    columns: dict[str, Column]
    shape: Recognised | None = None
    unusable: int = 0
    partly: tuple[str, ...] = ()


def look(found: SourceFiles, most: int, filled_column: str | None = None) -> Table:
    """Read rows from the start of a table (of many parts: of the first and of the last) and count what they hold.

    Args:
        found: What to read.
        most: Rows, about.
        filled_column: Count the rows alone that have text in this column.

    Raises:
        NoTextsError: It has no rows.
        BadInput: It cannot be read, or has no names of columns; by file and row.
    """
    filled = tuple(file for file in found.files if file.is_dir() or file.stat().st_size) or found.files
    ends = tuple(dict.fromkeys([filled[0], filled[-1]]))
    files = filled[:_MOST_TEXTS] if found.kind == "text" else ends
    seen: dict[str, list[pl.Series]] = {}
    batches: list[pl.DataFrame] = []
    everywhere: set[str] | None = None
    rows, whole = 0, files == filled
    for file in files:
        names, start = set(), rows
        for batch in _batches(found, file, filled_column):
            if rows - start >= max(1, most // len(files)):
                whole = False
                break
            rows += batch.height
            batches.append(batch)
            for name in (c for c in batch.columns if c != "#row"):
                names.add(name)
                seen.setdefault(name, []).append(batch[name])
        _refuse_odd(found, file, names)
        if rows == start:  # a shard without rows has no columns either
            continue
        everywhere = names if everywhere is None else everywhere & names
    if not rows:
        raise NoTextsError(found.named, "holds no rows", "Give a file that has rows, or leave it out")
    columns = {name: _column(name, parts, rows) for name, parts in seen.items() if name in (everywhere or ())}
    partly = tuple(name for name in seen if name not in columns)
    shape = recognise(
        [row for batch in batches for row in _rows(batch.head(_MOST_SHAPED), list(columns))][:_MOST_SHAPED]
    )
    return Table(found, rows, whole, columns, shape, _unusable(batches, shape) if shape else 0, partly)


def _rows(batch: pl.DataFrame, columns: list[str]) -> Iterator[Row]:
    """Rows as Python has them, of columns that are there."""
    there = [column for column in columns if column in batch.columns]
    for values in zip(*(batch[column].to_list() for column in there), strict=True):
        yield dict(zip(there, values, strict=True))


def _unusable(batches: list[pl.DataFrame], shape: Recognised) -> int:
    """How many rows a reading with the shape's text would find bad."""
    count = 0
    for batch in batches:
        for row in _rows(batch, shape.columns):
            try:
                count += not render(row, shape.text).text.strip()
            except NotTextError:
                count += 1
    return count


def _batches(found: SourceFiles, file: Path, filled: str | None) -> Iterator[pl.DataFrame]:
    try:
        for _, batch in formats.READERS[found.kind](file, None, Reading(found.source())):
            yield batch.filter(meanings.text(batch[filled]).reasons.is_null()) if filled in batch.columns else batch
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(str(file), f"cannot be read ({str(error).splitlines()[0]})", "Mend it or leave it out") from None


def _refuse_odd(found: SourceFiles, file: Path, names: set[str]) -> None:
    """Refuse what is no table of the kind that its name says, with a line of names at the top."""
    if found.kind not in ("csv", "tsv") or not names:
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
    """A column of JSON whose values are plain but for a few: those few are as if they were null.

    Text in pieces is text.
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
    several = filled.str.contains(r"\s") | filled.str.contains(r"[^\x00-\x7f]{8}")  # not all writing has spaces
    return "words" if several.mean() > 0.5 else "values"  # type: ignore[operator]
