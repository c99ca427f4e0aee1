"""Which row had a key first, for many millions of keys.

Belongs here: sorted runs of keys, and looking up in them. Does not: what a key stands for (`duplicates.py`).
"""

from itertools import pairwise

import numpy as np

_PARTS = 16  # by a key's first bits: two runs that are merged, and so held twice, are of one part
_MOST_ROWS = 2**32  # numbers of rows are kept in 32 bits


class FirstRows:
    """Keys, each with the first row that had it: 12 bytes a key.

    Each part has sorted runs, merged as they come to be as long as the one before. So taking in n keys sorts each log n
    times, and a lookup searches log n runs.
    """

    def __init__(self) -> None:
        self._parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(_PARTS)]

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The first row of each key, -1 where it was never taken in.

        Args:
            keys: `[n]`, uint64.

        Returns:
            `[n]`, int64.
        """
        order = np.argsort(keys)  # lookups in order touch each piece of a run once
        wanted, rows = keys[order], np.full(len(keys), -1, np.int64)
        for runs, part in zip(self._parts, _slices(wanted), strict=True):
            sought, places = wanted[part], order[part]
            for run, first in runs if len(sought) else ():
                at = np.minimum(np.searchsorted(run, sought), len(run) - 1)
                met = run[at] == sought
                rows[places[met]] = first[at[met]]
        return rows

    def add(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """Take in keys that are not there yet; of a key that comes twice, the smallest row.

        Args:
            keys: `[n]`, uint64; none may be known already.
            rows: `[n]`, in ascending order.

        Raises:
            OverflowError: A row's number is 2³² or more.
        """
        fresh, at = np.unique(keys, return_index=True)
        if len(rows) and rows[-1] >= _MOST_ROWS:
            raise OverflowError("near-duplicates are found among at most 4,294,967,296 rows that are no copies")
        first = rows[at].astype(np.uint32)
        for runs, part in zip(self._parts, _slices(fresh), strict=True):
            if part.start == part.stop:
                continue
            runs.append((fresh[part].copy(), first[part].copy()))
            while len(runs) > 1 and runs[-2][0].size <= runs[-1][0].size:
                (late, late_rows), (early, early_rows) = runs.pop(), runs.pop()
                merged = np.concatenate([early, late])
                order = np.argsort(merged, kind="stable")  # merges two sorted runs in one sweep
                runs.append((merged[order], np.concatenate([early_rows, late_rows])[order]))


def _slices(keys: np.ndarray) -> list[slice]:
    """The part of some sorted keys that each part holds."""
    starts = np.arange(1, _PARTS, dtype=np.uint64) * np.uint64(2**64 // _PARTS)
    ends = [0, *np.searchsorted(keys, starts).tolist(), len(keys)]
    return [slice(start, stop) for start, stop in pairwise(ends)]
