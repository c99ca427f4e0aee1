"""Locating damage in Parquet files: the first file and row group that cannot be read.

Belongs here: the search after a reader has failed. Does not: the messages of exceptions (`library_errors.py`).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from getmore_assets.corpus.library_errors import translated

_T = TypeVar("_T")


def placed(
    rows: Iterator[_T], files: Callable[[], list[Path]], where: str, what: str = "cannot be read"
) -> Iterator[_T]:
    """Yield from an iterator; an exception of a library becomes a `BadInput` that names file and row group.

    Args:
        rows: The rows of Parquet files.
        files: Returns these files; called if reading fails.
        where: The name in the error if no damage is found in a file.
        what: As for `translated`.

    Raises:
        BadInput: As `translated`.
    """
    try:
        yield from rows
    except BaseException as error:
        with translated(where, what):
            damaged = _first_damaged(files())
        with translated(damaged or where, what):
            raise error from None


def _first_damaged(files: list[Path]) -> str | None:
    import pyarrow.parquet as pq

    for path in files:
        try:
            file = pq.ParquetFile(path)
        except Exception:  # of many classes; the reader's own exception is reported
            return str(path)
        with file:
            before = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                try:
                    file.read_row_group(group)
                except Exception:
                    many = f"row group {group + 1} of {file.num_row_groups}"
                    return f"{path}: {many} (rows {before + 1:,} to {before + rows:,})"
                before += rows
    return None
