"""Which of many millions of ids are known, and where each stands among them.

Belongs here: looking ids up. Does not: what an id is (`identity.py`), or the sorted runs that are searched
(`bands.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from getmore_assets.corpus.bands import FirstRows

_START = 1024


class IdIndex:
    """Ids, each with its place: the number of ids that were taken in before it. 20 bytes an id.

    A lookup takes log n steps, where a join of a batch with all ids takes n.
    """

    def __init__(self) -> None:
        self._first = FirstRows()  # by the first hash of an id
        self._rest = np.empty(_START, np.uint64)  # of each place, the second hash
        self._colliding: dict[tuple[int, int], int] = {}  # ids whose first hash is that of another
        self._count = 0

    @classmethod
    def of(cls, ids: pl.Series) -> Self:
        """The places of ids, each of which stands once.

        Raises:
            ValueError: An id stands twice.
        """
        index = cls()
        if index.add(ids) < len(ids):
            raise ValueError("an id stands twice")
        return index

    def __len__(self) -> int:
        """How many ids."""
        return self._count

    def find(self, ids: pl.Series) -> np.ndarray:
        """Return the place of each id, -1 where it is not known: `[len(ids)]`, int64."""
        first, rest = _halves(ids)
        places = self._first.find(first)
        for row in np.flatnonzero((places >= 0) & (self._rest[np.maximum(places, 0)] != rest)).tolist():
            places[row] = self._colliding.get((int(first[row]), int(rest[row])), -1)
        return places

    def add(self, ids: pl.Series) -> int:
        """Take in the ids that are not known; returns how many they were."""
        fresh = ids.filter(pl.Series(self.find(ids) < 0)).unique(maintain_order=True)
        first, rest = _halves(fresh)
        stop = self._count + len(fresh)
        if stop > len(self._rest):
            self._rest = np.concatenate(
                [self._rest[: self._count], np.empty(max(stop, 2 * len(self._rest)), np.uint64)]
            )
        self._rest[self._count : stop] = rest
        new = np.zeros(len(fresh), np.bool_)
        new[np.unique(first, return_index=True)[1]] = True
        new &= self._first.find(first) < 0
        for row in np.flatnonzero(~new).tolist():
            self._colliding[int(first[row]), int(rest[row])] = self._count + row
        self._first.add(first[new], np.arange(self._count, stop)[new])
        self._count = stop
        return len(fresh)


@dataclass(frozen=True)
class KnownRows:
    """Rows that are known by their ids.

    Attributes:
        ids: Each once.
        marks: A hash of what else tells a row, for this process: `[ids]`, uint64.
        doubled: Rows whose id had come before.
    """

    ids: IdIndex
    marks: np.ndarray
    doubled: int

    @classmethod
    def of(cls, batches: Iterable[pl.DataFrame]) -> Self:
        """Take in batches of `id` and the columns that tell a row."""
        ids, marks, doubled = IdIndex(), [np.empty(0, np.uint64)], 0
        for batch in batches:
            once = batch.unique("id", keep="first", maintain_order=True)
            once = once.filter(pl.Series(ids.find(once["id"]) < 0))
            doubled += batch.height - ids.add(once["id"])
            marks.append(marks_of(once.drop("id")))
        return cls(ids, np.concatenate(marks), doubled)


def marks_of(rows: pl.DataFrame) -> np.ndarray:
    """Return a hash of each row, for this process: `[rows]`, uint64."""
    return rows.hash_rows().to_numpy()


def _halves(ids: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Two hashes of each id, 128 bits together, for this process: `[len(ids)]`, uint64."""
    return ids.hash(seed=1).to_numpy(), ids.hash(seed=2).to_numpy()
