"""Which row had a key first, for many millions of keys.

Belongs here: sorted runs of keys, and looking up in them. Does not: what a key stands for (`duplicates.py`).
"""

import numpy as np

_LONGEST = 1 << 22  # entries of a run: what is merged at once, and so held twice, stays below 200 MB


class FirstRows:
    """Keys, each with the first row that had it: 12 bytes a key.

    Sorted runs, merged as they come to be as long as the one before, so that taking in n keys sorts each log n times.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[np.ndarray, np.ndarray]] = []

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The first row of each key, -1 where it was never taken in.

        Args:
            keys: `[n]`, uint64.

        Returns:
            `[n]`, int64.
        """
        order = np.argsort(keys)  # lookups in order touch each piece of a run once
        wanted, rows = keys[order], np.full(len(keys), -1, np.int64)
        for run, first in self._runs:
            at = np.minimum(np.searchsorted(run, wanted), len(run) - 1)
            met = run[at] == wanted
            rows[order[met]] = first[at[met]]
        return rows

    def add(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """Take in keys that are not there yet; of a key that comes twice, the smallest row.

        Args:
            keys: `[n]`, uint64; none may be known already.
            rows: `[n]`, in ascending order.
        """
        fresh, at = np.unique(keys, return_index=True)
        if not len(fresh):
            return
        self._runs.append((fresh, rows[at].astype(np.uint32)))
        while len(self._runs) > 1 and self._runs[-2][0].size <= self._runs[-1][0].size <= _LONGEST // 2:
            (late, late_rows), (early, early_rows) = self._runs.pop(), self._runs.pop()
            merged = np.concatenate([early, late])
            order = np.argsort(merged, kind="stable")  # merges two sorted runs in one sweep
            self._runs.append((merged[order], np.concatenate([early_rows, late_rows])[order]))
