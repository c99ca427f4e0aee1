"""What a library raises over a damaged file, as a refusal that names the file.

Belongs here: the one place where an exception of polars, deltalake, datasets, pyarrow, zstandard, json or csv becomes
a `BadInput`. Does not: checks of our own, which say more (`formats.py`, `meanings.py`).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from getmore_assets.errors import BadInput

_T = TypeVar("_T")
_LONGEST = 300  # characters of a library's message
_PANIC = "PanicException"  # of pyo3; each Rust library has a class of its own, which is no `Exception`
_STACK = "This error occurred with the following context stack"  # of polars, for its developers
_UNSUPPORTED = re.compile(r"requires reader version|reader feature|not support", re.IGNORECASE)
_WITHOUT_IT = "Write it without that feature, or its rows as Parquet files"
_WRITE_AGAIN = "Copy it again, or have the program that wrote it write it again"
_FIXES: dict[type[BaseException], str] = {
    FileNotFoundError: "Put the file back, or take it out of the table or folder that names it",
    PermissionError: "Give this user the right to read it",
    MemoryError: "Give the machine more memory, or cut the file into several",
    NotImplementedError: "Write it again without what is named here, or as Parquet or JSON lines",
}


@contextmanager
def translated(where: str, what: str = "cannot be read") -> Iterator[None]:
    """Turn what a library raises inside into a refusal.

    Args:
        where: The file, with the row or the row group where they are known.
        what: What went wrong, in our words; the library's follow in brackets.

    Raises:
        BadInput: Anything but a refusal, a failed assertion or an interrupt was raised inside.
    """
    try:
        yield
    except (BadInput, AssertionError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        said = message_of(error)
        fix = _WITHOUT_IT if _UNSUPPORTED.search(said) else _WRITE_AGAIN
        fix = next((fix for kind, fix in _FIXES.items() if isinstance(error, kind)), fix)
        raise BadInput(where, f"{what} ({said})", fix) from error


def guarded(where: str, rows: Iterator[_T], what: str = "cannot be read") -> Iterator[_T]:
    """The same rows; what a library raises on the way is a refusal.

    Raises:
        BadInput: As `translated`.
    """
    with translated(where, what):
        yield from rows


def message_of(error: BaseException) -> str:
    """A library's message on one line of bounded length, after the name of its class where it says nothing."""
    words = " ".join(str(error).partition("stack backtrace")[0].split()).partition(_STACK)[0].strip()[:_LONGEST]
    return words or type(error).__name__
