"""A pass over candidates that lie in several places: each place answers with f of its own and an m-vector.

Belongs here: adding up. Does not: where the places are, or how they are reached.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

from getmore_assets.transport.passes import Inertia, TilePass
from getmore_assets.transport.problem import Problem
from getmore_assets.transport.rows import Rows

T = TypeVar("T")


class ShardedPass:
    """A pass over several, each a random sample of all candidates; f is in the order of the shards.

    Args:
        shards: Passes against the same targets, by the same cost.
        weights: Of each shard among all; as its number of candidates without them.
    """

    def __init__(self, shards: Sequence[TilePass], weights: Sequence[float] | None = None) -> None:
        self._shards = shards
        self._sizes = np.array([shard.problem.n for shard in shards])
        given = np.asarray(self._sizes if weights is None else weights, np.float64)
        self._weights = given / given.sum()
        first = shards[0].problem
        mean_cost = float(self._weights @ [shard.problem.mean_cost for shard in shards])
        x = _Joined([shard.problem.x for shard in shards])
        self.problem: Problem = replace(first, x=x, a=self._row_weights(), mean_cost=mean_cost)

    def __call__(
        self, g: np.ndarray, epsilon: float, n: int, inertia: Inertia | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `TilePass`; of each shard a part of the same size is swept over."""
        parts = self._parts(n)

        def one(k: int) -> tuple[np.ndarray, np.ndarray]:
            part = inertia and replace(inertia, old=inertia.old[parts[k]])
            return self._shards[k](g, epsilon, parts[k].stop - parts[k].start, part)

        found = self._everywhere(one)
        return np.concatenate([f for f, _ in found]), self._add([col for _, col in found])

    def rough(self, g: np.ndarray, epsilon: float, n: int) -> np.ndarray:
        """See `TilePass`."""
        parts = self._parts(n)
        return self._add(self._everywhere(lambda k: self._shards[k].rough(g, epsilon, parts[k].stop - parts[k].start)))

    def _parts(self, n: int) -> list[slice]:
        """The same share of each shard, n in all, and where its f stands."""
        ends = [0, *np.round(np.cumsum(self._sizes) * (n / self._sizes.sum())).astype(int).tolist()]
        return [slice(start, stop) for start, stop in pairwise(ends)]

    def _everywhere(self, work: Callable[[int], T]) -> list[T]:
        with ThreadPoolExecutor(len(self._shards)) as pool:
            return list(pool.map(work, range(len(self._shards))))

    def _add(self, cols: list[np.ndarray]) -> np.ndarray:
        total: np.ndarray = self._weights @ np.array(cols)
        return total

    def _row_weights(self) -> np.ndarray | None:
        each = [shard.problem.weights(int(n)) for shard, n in zip(self._shards, self._sizes, strict=True)]
        if all(a is None for a in each) and np.allclose(self._weights, self._sizes / self._sizes.sum()):
            return None
        filled = [np.full(n, 1 / n) if a is None else a for a, n in zip(each, self._sizes, strict=True)]
        return np.concatenate([w * a for w, a in zip(self._weights, filled, strict=True)])


class _Joined:
    """The candidates of all shards, one after the other."""

    def __init__(self, parts: list[Rows]) -> None:
        self._parts = parts
        self._ends = np.cumsum([0, *(part.shape[0] for part in parts)]).tolist()
        self.shape = (self._ends[-1], parts[0].shape[1])

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(self.shape[0])
        return np.concatenate(
            [
                np.asarray(part[max(start - first, 0) : max(min(stop, last) - first, 0)])
                for part, (first, last) in zip(self._parts, pairwise(self._ends), strict=True)
            ]
        )
