"""Turning exceptions of libraries about damaged files into `BadInput` with the file's name.

Belongs here: exceptions of polars, deltalake, datasets, pyarrow, zstandard, json and csv. Does not: checks of our own
(`formats.py`, `meanings.py`).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from getmore_assets.errors import BadInput

_T = TypeVar("_T")
_LONGEST = 300  # characters of a library's message
_PANIC = "PanicException"  # pyo3's; each Rust library has its own class of this name, which is no `Exception`
_STACK = "This error occurred with the following context stack"  # in messages of Polars, for its developers
_UNSUPPORTED = re.compile(r"requires reader version|reader feature|not support", re.IGNORECASE)
_WITHOUT_IT = "Write it without that feature, or its rows as Parquet files"
_WRITE_AGAIN = "Copy the file again, or write it again with the program that made it"
_FIXES: dict[type[BaseException], str] = {
    FileNotFoundError: "Put the file back, or take it out of the table or folder that names it",
    PermissionError: "Give this user the right to read it",
    MemoryError: "Give the machine more memory, or cut the file into several",
    NotImplementedError: "Write it again without the named feature, or as Parquet or JSON lines",
}


@contextmanager
def translated(where: str, what: str = "cannot be read") -> Iterator[None]:
    """Turn exceptions of libraries into `BadInput`.

    Args:
        where: The file, with the row or the row group if known.
        what: What went wrong; the library's message follows in brackets.

    Raises:
        BadInput: The block raised anything but `BadInput`, a failed assertion or an interrupt.
    """
    try:
        yield
    except (BadInput, AssertionError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        message = message_of(error)
        fix = _WITHOUT_IT if _UNSUPPORTED.search(message) else _WRITE_AGAIN
        fix = next((fix for kind, fix in _FIXES.items() if isinstance(error, kind)), fix)
        raise BadInput(where, f"{what} ({message})", fix) from error


def guarded(where: str, rows: Iterator[_T], what: str = "cannot be read") -> Iterator[_T]:
    """Yield from an iterator within `translated`.

    Raises:
        BadInput: As `translated`.
    """
    with translated(where, what):
        yield from rows


def message_of(error: BaseException) -> str:
    """Return an exception's message on one line of bounded length, or the name of its class if it has none."""
    words = " ".join(str(error).partition("stack backtrace")[0].split()).partition(_STACK)[0].strip()[:_LONGEST]
    return words or type(error).__name__
