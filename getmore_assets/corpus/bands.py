"""An index from a key to the first row with that key, for many millions of 64-bit keys.

Belongs here: sorted runs of keys, and searching them. Does not: the keys (`duplicates.py`, `id_index.py`).
"""

from itertools import pairwise

import numpy as np

_PARTS = 16  # keys are divided by their first bits, so that a merge copies the runs of one part only
_MOST_ROWS = 2**32  # row numbers are 32 bits wide


class FirstRows:
    """Keys, each with its first row, in 12 bytes per key.

    Each part is a list of sorted runs. A run that is at least as long as the run before it is merged with that run.
    So each of n keys is merged at most log n times, and a lookup searches at most log n runs.
    """

    def __init__(self) -> None:
        self._parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(_PARTS)]

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return the first row of each key, -1 for an unknown key.

        Args:
            keys: `[n]`, uint64.

        Returns:
            `[n]`, int64.
        """
        order = np.argsort(keys)  # searching sorted keys reads each piece of a run once
        ordered, rows = keys[order], np.full(len(keys), -1, np.int64)
        for runs, part in zip(self._parts, _slices(ordered), strict=True):
            sought, positions = ordered[part], order[part]
            for run, first in runs if len(sought) else ():
                at = np.minimum(np.searchsorted(run, sought), len(run) - 1)
                matches = run[at] == sought
                rows[positions[matches]] = first[at[matches]]
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
        for runs, part in zip(self._parts, _slices(unique), strict=True):
            if part.start == part.stop:
                continue
            runs.append((unique[part].copy(), first[part].copy()))
            while len(runs) > 1 and runs[-2][0].size <= runs[-1][0].size:
                (late, late_rows), (early, early_rows) = runs.pop(), runs.pop()
                merged = np.concatenate([early, late])
                order = np.argsort(merged, kind="stable")  # merges two sorted runs in linear time
                runs.append((merged[order], np.concatenate([early_rows, late_rows])[order]))


def _slices(keys: np.ndarray) -> list[slice]:
    """Return the slice of sorted keys that belongs to each part."""
    starts = np.arange(1, _PARTS, dtype=np.uint64) * np.uint64(2**64 // _PARTS)
    ends = [0, *np.searchsorted(keys, starts).tolist(), len(keys)]
    return [slice(start, stop) for start, stop in pairwise(ends)]
