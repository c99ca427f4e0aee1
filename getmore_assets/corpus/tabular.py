"""Frames of other libraries as polars.

Belongs here: telling them apart without importing any that is not there already. Does not: reading files
(`readers.py`).
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from getmore_assets.errors import BadInput


def as_frame(value: Any, where: str) -> pl.DataFrame:
    """Return rows as a polars frame.

    Args:
        value: A frame of polars or pandas, a table of PyArrow, a `datasets.Dataset`, a list of texts or of dicts.
        where: What it is called, for an error.

    Raises:
        BadInput: It is nothing of these, or has no rows.
    """
    taken = next((take for is_of, take in _KINDS if is_of(value)), None)
    if taken is None:
        kinds = "a frame of polars or pandas, a PyArrow table, a datasets.Dataset, a list of texts or of dicts"
        raise BadInput(where, f"is a {type(value).__name__}", f"Give {kinds}, or a path")
    frame: pl.DataFrame = taken(value)
    if not frame.height:
        raise BadInput(where, "has no rows", "Give some")
    return frame


def _is(module: str, *names: str) -> Callable[[Any], bool]:
    """Return whether a value is of a class of a module, which is loaded where such a value is there."""

    def told(value: Any) -> bool:
        there = sys.modules.get(module)
        return there is not None and isinstance(value, tuple(getattr(there, name) for name in names))

    return told


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (_is("polars", "DataFrame"), lambda frame: frame),
    (_is("polars", "LazyFrame"), lambda frame: frame.collect()),
    (_is("pandas", "DataFrame"), pl.from_pandas),
    (_is("pyarrow", "Table", "RecordBatch"), pl.from_arrow),
    (_is("datasets", "Dataset"), lambda rows: pl.from_arrow(rows.with_format("arrow")[:])),
    (_is("builtins", "list", "tuple"), lambda rows: pl.DataFrame({"text": rows} if _texts(rows) else rows)),
)


def _texts(rows: Sequence[Any]) -> bool:
    return all(isinstance(row, str) for row in rows)
