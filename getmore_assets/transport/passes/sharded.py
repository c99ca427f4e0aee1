"""A pass over candidates that lie in several places: each place answers with f of its own and an m-vector.

Belongs here: adding up. Does not: where the places are, or how they are reached.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from getmore_assets.transport.passes import Inertia, TilePass
from getmore_assets.transport.problem import Problem


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
        x = _Only(int(self._sizes.sum()), first.y.shape[1])
        self.problem: Problem = replace(first, x=x, a=self._row_weights(), mean_cost=mean_cost)

    def __call__(
        self, g: np.ndarray, epsilon: float, n: int, inertia: Inertia | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `TilePass`; of each shard a part of the same size is swept over."""
        ends = np.round(np.cumsum(self._sizes) * (n / self._sizes.sum())).astype(int)
        starts = np.concatenate([[0], ends[:-1]])

        def one(k: int) -> tuple[np.ndarray, np.ndarray]:
            part = inertia and replace(inertia, old=inertia.old[starts[k] : ends[k]])
            return self._shards[k](g, epsilon, int(ends[k] - starts[k]), part)

        with ThreadPoolExecutor(len(self._shards)) as pool:
            parts = list(pool.map(one, range(len(self._shards))))
        col = sum(w * part[1] for w, part in zip(self._weights, parts, strict=True))
        return np.concatenate([part[0] for part in parts]), np.asarray(col)

    def _row_weights(self) -> np.ndarray | None:
        each = [shard.problem.weights(int(n)) for shard, n in zip(self._shards, self._sizes, strict=True)]
        if all(a is None for a in each) and np.allclose(self._weights, self._sizes / self._sizes.sum()):
            return None
        filled = [np.full(n, 1 / n) if a is None else a for a, n in zip(each, self._sizes, strict=True)]
        return np.concatenate([w * a for w, a in zip(self._weights, filled, strict=True)])


class _Only:
    """The shape of candidates that are elsewhere."""

    def __init__(self, n: int, d: int) -> None:
        self.shape = (n, d)

    def __getitem__(self, rows: slice) -> np.ndarray:
        raise NotImplementedError("the candidates lie in the shards")
