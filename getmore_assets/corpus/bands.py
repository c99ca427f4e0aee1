"""An index from a key to the first row with that key, for many millions of 64-bit keys.

Belongs here: sorted runs of keys, in memory and in files, and searching them. Does not: the keys (`duplicates.py`,
`id_index.py`).
"""

import mmap
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

# Keys are divided by their first bits, so that a merge copies the runs of one part only. Each part costs time per call.
_PARTS, _PARTS_IN_FILES = 16, 256
_GROWTH = 4  # a run is merged with the run before it unless that is longer by more than this factor
_MOST_IN_MEMORY = 2**14  # keys of a run; longer runs are in a file, if the index has a folder
_MOST_ROWS = 2**32  # row numbers are 32 bits wide


@dataclass(frozen=True)
class _Run:
    """Sorted keys (`[n]`, uint64) and their rows (`[n]`, uint32), in memory or mapped from a file."""

    keys: np.ndarray
    rows: np.ndarray
    map: mmap.mmap | None = None

    def stored(self, folder: Path) -> "_Run":
        """Return the run in a temporary file of a folder, which is deleted when the run is no longer used."""
        count, split = len(self.keys), self.keys.nbytes
        with TemporaryFile(dir=folder) as file:
            file.write(self.keys.tobytes() + self.rows.tobytes())
            file.flush()
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # outlives the file's descriptor
        return _Run(np.frombuffer(mapped, np.uint64, count), np.frombuffer(mapped, np.uint32, count, split), mapped)

    def release(self) -> None:
        """Give the pages that a search has read back to the system, so that they do not count as process memory."""
        if self.map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.map.madvise(mmap.MADV_DONTNEED)


class FirstRows:
    """Keys, each with its first row, in 12 bytes per key, of memory or of a file.

    Each part is a list of sorted runs, of which each is much longer than the next. So a key is merged, and a lookup
    searches runs, in the order of log n times.

    Args:
        folder: The folder for long runs, so that at most 70 MB stay in memory; None keeps all runs in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._parts: list[list[_Run]] = [[] for _ in range(_PARTS_IN_FILES if folder else _PARTS)]

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return the first row of each key, -1 for an unknown key.

        Args:
            keys: `[n]`, uint64.

        Returns:
            `[n]`, int64.
        """
        if (keys[1:] < keys[:-1]).any():  # searching sorted keys reads each piece of a run once
            order = np.argsort(keys)
            found = np.empty(len(keys), np.int64)
            found[order] = self.find(keys[order])
            return found
        rows = np.full(len(keys), -1, np.int64)
        for runs, part in zip(self._parts, self._slices(keys), strict=True):
            sought, first = keys[part], rows[part]
            for run in runs if len(sought) else ():
                at = run.keys.searchsorted(sought)
                at[at == len(run.keys)] = 0
                matches = run.keys[at] == sought
                first[matches] = run.rows[at[matches]]
                run.release()
        return rows

    def add(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """Add unknown keys; a key that is given twice gets its smallest row.

        Args:
            keys: `[n]`, uint64, none of them known.
            rows: `[n]`, in ascending order.

        Raises:
            OverflowError: A row number is 2³² or more.
        """
        unique, at = np.unique(keys, return_index=True)
        if len(rows) and rows[-1] >= _MOST_ROWS:
            raise OverflowError("near-duplicates can be found among at most 4,294,967,296 rows that are originals")
        first = rows[at].astype(np.uint32)
        for runs, part in zip(self._parts, self._slices(unique), strict=True):
            if part.start == part.stop:
                continue
            run = _Run(unique[part].copy(), first[part].copy())
            while runs and len(runs[-1].keys) <= _GROWTH * len(run.keys):
                run = _merged(runs.pop(), run)
            runs.append(run.stored(self._folder) if self._folder and len(run.keys) > _MOST_IN_MEMORY else run)

    def _slices(self, keys: np.ndarray) -> list[slice]:
        """Return the slice of sorted keys that belongs to each part."""
        count = len(self._parts)
        starts = np.arange(1, count, dtype=np.uint64) * np.uint64(2**64 // count)
        ends = [0, *np.searchsorted(keys, starts).tolist(), len(keys)]
        return [slice(start, stop) for start, stop in pairwise(ends)]


def _merged(early: _Run, late: _Run) -> _Run:
    keys = np.concatenate([early.keys, late.keys])
    order = np.argsort(keys, kind="stable")  # merges two sorted runs in linear time
    return _Run(keys[order], np.concatenate([early.rows, late.rows])[order])
