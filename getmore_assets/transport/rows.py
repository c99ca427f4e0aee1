"""The matrix of candidate vectors: in memory, or in a file that is read in pieces.

Belongs here: the interface of such a matrix, and reading it from a file. Does not: loading vectors from the lake
(`encoders/store.py`).
"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Rows(Protocol):
    """A matrix that gives slices of rows: a NumPy array, a memory map, a torch tensor on the CPU, an `NpyFile`."""

    @property
    def shape(self) -> Any:
        """Rows and columns."""
        ...

    def __getitem__(self, rows: slice, /) -> Any:
        """Return the rows, as something that `np.asarray` accepts: `[stop - start, d]`."""
        ...


class NpyFile:
    """A matrix in an `.npy` file. Slices are read, not mapped, so pages of the file do not count as process memory.

    Args:
        path: The file: float32, two dimensions, in C order.
        rows: Number of rows from the first on; None for all.

    Raises:
        ValueError: The file has another dtype, number of dimensions or order.
    """

    def __init__(self, path: Path, rows: int | None = None) -> None:
        self._path = path
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
            self._start = file.tell()
        if len(shape) != 2 or fortran or dtype != np.float32:
            raise ValueError(f"{path} holds {dtype} of shape {shape}; expected float32 [n, d] in C order")
        self.shape: tuple[int, int] = (shape[0] if rows is None else min(rows, shape[0]), shape[1])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return a copy of the rows. Threads may call this concurrently."""
        start, stop, _ = rows.indices(self.shape[0])
        matrix = np.empty((max(0, stop - start), self.shape[1]), np.float32)
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._start + start * 4 * self.shape[1])
            view = memoryview(matrix.data).cast("B")
            while len(view):
                count = file.readinto(view)
                if not count:
                    raise EOFError(f"{self._path} ends before row {stop}")
                view = view[count:]
        return matrix
