"""Arrays that grow: in memory while they are short, then in a temporary file.

Belongs here: adding elements at the end, and reading them by position. Does not: searching (`bands.py`).
"""

import mmap
import weakref
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np

_START = 1024
_MOST_IN_MEMORY = 2**20  # bytes
_AT_ONCE = 2**14  # elements; reading one brings up to 64 kB of the file into memory


class GrowingArray:
    """Elements of one type, read by position.

    Args:
        dtype: The type of an element.
        folder: The folder for the file of a long array, deleted with the array; None keeps all elements in memory.
    """

    def __init__(self, dtype: str, folder: Path | None = None) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._values = np.empty(_START, dtype)
        self._count = 0

    def __len__(self) -> int:
        """Number of elements."""
        return self._count

    def add(self, values: np.ndarray) -> None:
        """Add elements at the end: `[n]`."""
        values = values.astype(self._values.dtype, copy=False)
        stop = self._count + len(values)
        if self._file is None and self._folder is not None and stop * self._values.itemsize > _MOST_IN_MEMORY:
            self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed when the array is deleted
            weakref.finalize(self, self._file.close)
            self._file.write(self._values[: self._count].tobytes())
            self._values = np.empty(0, self._values.dtype)
        if self._file is not None:
            self._file.write(values.tobytes())
            self._file.flush()
        else:
            if stop > len(self._values):
                longer = np.empty(max(stop, 2 * len(self._values)), self._values.dtype)
                longer[: self._count] = self._values[: self._count]
                self._values = longer
            self._values[self._count : stop] = values
        self._count = stop

    def at(self, places: np.ndarray) -> np.ndarray:
        """Return the elements at some positions (`[k]`, int64): `[k]`."""
        if self._file is None:
            present: np.ndarray = self._values[places]
            return present
        elements = np.empty(len(places), self._values.dtype)
        for start in range(0, len(places), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            # Mapped for each part anew, so that pages that were read do not count as process memory.
            with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                elements[part] = np.frombuffer(mapped, self._values.dtype)[places[part]]
        return elements
