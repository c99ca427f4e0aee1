"""Validating columns of users' files as text, labels, domains, ids or vectors; no value is cast by guessing.

Belongs here: one function per meaning, which returns the values and, for each invalid row, the reason. Does not:
reading (`formats.py`), or skipping and refusing rows (`fields.py`).

A column is typed (Parquet, Delta, data sets), of strings (delimited files), or of Python objects (`pl.Object`, from
JSON, with a type per value).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.corpus.rendering import in_pieces

#: A character that is neither white space nor invisible (control characters, byte order marks, zero-width spaces).
_VISIBLE = r"[^\s\p{Cc}\p{Cf}]"
_LARGEST = float(np.finfo(np.float32).max)
_STRINGS = (pl.String, pl.Categorical, pl.Enum)
_TIMES = (pl.Date, pl.Datetime, pl.Time)
#: The reasons of missing values, as opposed to values of a wrong type.
ABSENT = ("is null", "is blank", "is NaN or infinite")
_NAMES = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


@dataclass(frozen=True)
class Validated:
    """A validated column.

    Attributes:
        values: [rows], the values; null for invalid rows.
        reasons: [rows], strings: why a row is invalid, such as "is null"; null for valid rows.
        fits: Whether the column's type can have the meaning; if not, every row is invalid.
    """

    values: pl.Series
    reasons: pl.Series
    fits: bool = True


def text(column: pl.Series) -> Validated:
    """Validate texts: strings with at least one visible character; from JSON also texts in pieces."""
    if column.dtype == pl.Object:
        return _each(column, _text_of)
    if column.dtype == pl.Null or isinstance(column.dtype, _STRINGS):
        return _not_blank(column.cast(pl.String), "is null or blank", "is null or blank")
    return _misfit(column, pl.String)


def label(column: pl.Series) -> Validated:
    """Validate labels: strings that are not blank, integers, booleans, finite numbers."""
    return _name(column, times=False)


def domain(column: pl.Series) -> Validated:
    """Validate domains and sources: the values of labels, and dates."""
    return _name(column, times=True)


def id_(column: pl.Series) -> Validated:
    """Validate ids: strings that are not blank, or integers."""
    if column.dtype.is_float() or column.dtype == pl.Boolean:
        return _misfit(column, pl.String)
    return _name(column, times=False)


def vector(column: pl.Series) -> Validated:
    """Validate vectors: lists of finite numbers, not all zero; the values are lists of float32."""
    if column.dtype == pl.Object:
        column, no_list = _lists(column)
    else:
        if not isinstance(column.dtype, pl.List | pl.Array) or not column.dtype.inner.is_numeric():
            return _misfit(column, pl.List(pl.Float32))
        no_list = pl.repeat(None, len(column), dtype=pl.String, eager=True)
    values = column.cast(pl.List(pl.Float32))
    frame = pl.DataFrame({"v": values, "no_list": no_list})
    inner = pl.col("v").list
    reasons = frame.select(
        pl.coalesce(
            "no_list",
            pl.when(pl.col("v").is_null()).then(pl.lit("is null")),
            pl.when(inner.len() == 0).then(pl.lit("is an empty list")),
            pl.when(inner.eval(pl.element().is_null().any()).list.first()).then(pl.lit("holds a null")),
            pl.when(~inner.eval(pl.element().is_finite().all()).list.first()).then(pl.lit("holds NaN or infinity")),
            pl.when(inner.eval((pl.element() == 0).all()).list.first()).then(pl.lit("is all zero")),
        )
    ).to_series()
    return Validated(_only(values, reasons), reasons)


#: The meaning of a column, for messages.
HOLDS: dict[Callable[[pl.Series], Validated], str] = {
    text: "text",
    label: "labels",
    domain: "names",
    id_: "ids",
    vector: "lists of numbers",
}


def kinds(column: pl.Series) -> pl.Series:
    """Return the type of each value, such as "text" or "a whole number": [rows], strings; null for null."""
    if column.dtype == pl.Object:
        return pl.Series([None if value is None else _named(value) for value in column], dtype=pl.String)
    if column.dtype == pl.Boolean:
        kind = _NAMES[bool]
    elif column.dtype.is_integer():
        kind = _NAMES[int]
    else:
        kind = _NAMES[float if column.dtype.is_numeric() else str]
    return pl.select(pl.when(column.is_not_null()).then(pl.lit(kind))).to_series()


def _named(value: Any) -> str:
    return _NAMES.get(type(value), type(value).__name__)


def _name(column: pl.Series, *, times: bool) -> Validated:
    if column.dtype == pl.Object:
        return _each(column, _name_of)
    kind = column.dtype
    if kind == pl.Null or isinstance(kind, _STRINGS):
        return _not_blank(column.cast(pl.String), "is null", "is blank")
    if kind.is_float():
        finite = column.is_finite()
        reasons = pl.select(
            pl.when(column.is_null()).then(pl.lit("is null")).when(~finite).then(pl.lit("is NaN or infinite"))
        ).to_series()
        unsigned = pl.select(pl.when(column == 0).then(0.0).otherwise(column)).to_series()  # -0.0 is the class 0.0
        return Validated(_only(unsigned.cast(pl.String), reasons), reasons)
    if kind.is_integer() or kind == pl.Boolean or kind.is_decimal() or (times and isinstance(kind, _TIMES)):
        reasons = pl.select(pl.when(column.is_null()).then(pl.lit("is null"))).to_series()
        return Validated(column.cast(pl.String), reasons)
    return _misfit(column, pl.String)


def _not_blank(strings: pl.Series, null: str, blank: str) -> Validated:
    reasons = pl.select(
        pl.when(strings.is_null()).then(pl.lit(null)).when(~strings.str.contains(_VISIBLE)).then(pl.lit(blank))
    ).to_series()
    return Validated(_only(strings, reasons), reasons)


def _misfit(column: pl.Series, kind: Any) -> Validated:
    values = pl.repeat(None, len(column), dtype=kind, eager=True)
    reasons = pl.repeat(f"is {column.dtype}", len(column), dtype=pl.String, eager=True)
    return Validated(values, reasons, fits=False)


def _only(values: pl.Series, reasons: pl.Series) -> pl.Series:
    """Return the values, null for rows that have a reason."""
    if not reasons.len() - reasons.null_count():
        return values
    return pl.select(pl.when(reasons.is_null()).then(values)).to_series()


def _each(column: pl.Series, validate_value: Callable[[Any], tuple[str | None, str | None]]) -> Validated:
    """Validate Python objects one by one."""
    pairs = [validate_value(value) for value in column]
    values = pl.Series([value for value, _ in pairs], dtype=pl.String)
    return Validated(values, pl.Series([reason for _, reason in pairs], dtype=pl.String))


def _text_of(value: Any) -> tuple[str | None, str | None]:
    if value is None:
        return None, "is null or blank"
    value = value if (pieces := in_pieces(value)) is None else pieces
    if not isinstance(value, str):
        return None, f"is {_named(value)}, not text"
    return (value, None) if _is_visible(value) else (None, "is null or blank")


def _name_of(value: Any) -> tuple[str | None, str | None]:
    if value is None:
        return None, "is null"
    if isinstance(value, str):
        return (value, None) if _is_visible(value) else (None, "is blank")
    if isinstance(value, bool):
        return ("true" if value else "false"), None
    if isinstance(value, int):
        return str(value), None
    if isinstance(value, float):
        written = pl.Series([value or 0.0]).cast(pl.String)[0]  # formatted as numbers of a typed column
        return (written, None) if math.isfinite(value) else (None, "is NaN or infinite")
    return None, f"is {_named(value)}"


def _is_visible(value: str) -> bool:
    return bool(pl.Series([value]).str.contains(_VISIBLE)[0])


def _lists(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return Python objects as lists of float64, null for other values, and the reasons for nulls."""
    values = column.to_list()
    kinds = set(map(type, values))
    plain = kinds <= {list, type(None)}
    if plain and set(map(type, chain.from_iterable(filter(None, values)))) <= {float, type(None)}:
        reasons: list[str | None] = [None] * len(values)
    else:
        reasons = [_why_no_list(value) for value in values]
        values = [None if why else value for value, why in zip(values, reasons, strict=True)]
    numbers = [value and [item if item is None else float(item) for item in value] for value in values]
    return pl.Series(numbers, dtype=pl.List(pl.Float64)), pl.Series(reasons, dtype=pl.String)


def _why_no_list(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, list):
        return f"is {_named(value)}, not a list of numbers"
    wrong = next((item for item in value if item is not None and type(item) not in (int, float)), None)
    if wrong is not None:
        return f"holds {_named(wrong)}"
    too_large = any(type(item) is int and abs(item) > _LARGEST for item in value)
    return "holds a number that is too large" if too_large else None
