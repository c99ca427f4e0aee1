"""Converting tables of other libraries to Polars frames.

Belongs here: recognising such tables without importing their libraries. Does not: reading files (`readers.py`).
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from getmore_assets.errors import BadInput


def as_frame(value: Any, where: str) -> pl.DataFrame:
    """Return rows as a polars frame.

    Args:
        value: A frame of Polars or pandas, a PyArrow table, a `datasets.Dataset`, a list of texts or of dicts.
        where: The name of the value, for an error.

    Raises:
        BadInput: The value is none of these, or has no rows.
    """
    convert = next((convert for is_of, convert in _KINDS if is_of(value)), None)
    if convert is None:
        kinds = "a frame of polars or pandas, a PyArrow table, a datasets.Dataset, a list of texts or of dicts"
        raise BadInput(where, f"is a {type(value).__name__}", f"Give {kinds}, or a path")
    frame: pl.DataFrame = convert(value)
    if not frame.height:
        raise BadInput(where, "has no rows", "Give at least one row")
    return frame


def _is(module: str, *names: str) -> Callable[[Any], bool]:
    """Return a test for instances of a module's classes; no value passes if the module is not loaded."""

    def is_of(value: Any) -> bool:
        loaded = sys.modules.get(module)
        return loaded is not None and isinstance(value, tuple(getattr(loaded, name) for name in names))

    return is_of


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
