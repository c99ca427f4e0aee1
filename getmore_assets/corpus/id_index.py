"""An index of many millions of ids: whether an id is known, and its position.

Belongs here: looking ids up. Does not: computing ids (`identity.py`), or the sorted runs (`bands.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from getmore_assets.corpus.bands import FirstRows
from getmore_assets.corpus.growing import GrowingArray

_AT_ONCE = 2**20  # ids that are added at once: adding takes several copies of them


class IdIndex:
    """Ids, each with its position in the order in which they were added, in 20 bytes per id.

    A lookup takes log n steps; a join of a batch with all ids would take n.

    Args:
        folder: The folder for temporary files, so that at most 70 MB are in memory; None keeps all in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._first = FirstRows(folder)  # positions by the first hash of an id
        self._rest = GrowingArray("<u8", folder)  # the second hash of the id at each position
        self._colliding: dict[tuple[int, int], int] = {}  # positions of ids whose first hash equals an earlier id's

    @classmethod
    def of(cls, ids: pl.Series) -> Self:
        """Return the index of unique ids.

        Raises:
            ValueError: An id is given twice.
        """
        index = cls()
        for start in range(0, len(ids), _AT_ONCE):
            index.add(ids[start : start + _AT_ONCE])
        if len(index) < len(ids):
            raise ValueError("an id is given twice")
        return index

    def __len__(self) -> int:
        """Number of ids."""
        return len(self._rest)

    def find(self, ids: pl.Series) -> np.ndarray:
        """Return the position of each id, -1 for an unknown id: `[len(ids)]`, int64."""
        first, rest = _halves(ids)
        positions = self._first.find(first)
        known = np.flatnonzero(positions >= 0)
        for row in known[self._rest.at(positions[known]) != rest[known]].tolist():
            positions[row] = self._colliding.get((int(first[row]), int(rest[row])), -1)
        return positions

    def add(self, ids: pl.Series) -> int:
        """Add the ids that are unknown, and return their number."""
        fresh = ids.filter(pl.Series(self.find(ids) < 0)).unique(maintain_order=True)
        first, rest = _halves(fresh)
        new = np.zeros(len(fresh), np.bool_)
        new[np.unique(first, return_index=True)[1]] = True
        new &= self._first.find(first) < 0
        for row in np.flatnonzero(~new).tolist():
            self._colliding[int(first[row]), int(rest[row])] = len(self) + row
        self._first.add(first[new], np.arange(len(self), len(self) + len(fresh))[new])
        self._rest.add(rest)
        return len(fresh)


@dataclass(frozen=True)
class KnownRows:
    """The rows of a table, by id.

    Attributes:
        ids: The index of the ids.
        marks: A hash of other columns of each row, valid in this process.
        doubled: Number of rows with the id of an earlier row.
    """

    ids: IdIndex
    marks: GrowingArray
    doubled: int

    @classmethod
    def of(cls, batches: Iterable[pl.DataFrame], folder: Path) -> Self:
        """Return the known rows of batches of `id` and the columns to hash; `folder` as in `IdIndex`."""
        ids, marks, doubled = IdIndex(folder), GrowingArray("<u8", folder), 0
        for batch in batches:
            once = batch.unique("id", keep="first", maintain_order=True)
            once = once.filter(pl.Series(ids.find(once["id"]) < 0))
            doubled += batch.height - ids.add(once["id"])
            marks.add(marks_of(once.drop("id")))
        return cls(ids, marks, doubled)


def marks_of(rows: pl.DataFrame) -> np.ndarray:
    """Return a hash of each row, valid in this process: `[rows]`, uint64."""
    return rows.hash_rows().to_numpy()


def _halves(ids: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return two 64-bit hashes of each id, valid in this process: `[len(ids)]`, uint64."""
    return ids.hash(seed=1).to_numpy(), ids.hash(seed=2).to_numpy()
