"""Where a Parquet file is damaged: the first file and row group that cannot be read.

Belongs here: looking for the place, once a reader has failed. Does not: the words of the libraries' exceptions
(`library_errors.py`).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from getmore_assets.corpus.library_errors import translated

_T = TypeVar("_T")


def placed(
    rows: Iterator[_T], files: Callable[[], list[Path]], where: str, what: str = "cannot be read"
) -> Iterator[_T]:
    """Yield the same rows; what a library raises on the way is a refusal that names file and row group.

    Args:
        rows: Of the files.
        files: Those that the rows are read from; asked where reading fails.
        where: What the refusal names where every file can be read after all.
        what: As for `translated`.

    Raises:
        BadInput: As `translated`.
    """
    try:
        yield from rows
    except BaseException as error:
        with translated(where, what):
            place = _first_damaged(files())
        with translated(place or where, what):
            raise error from None


def _first_damaged(files: list[Path]) -> str | None:
    import pyarrow.parquet as pq

    for path in files:
        try:
            file = pq.ParquetFile(path)
        except Exception:  # pyarrow and the system raise many kinds, and the reader's own is told
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
