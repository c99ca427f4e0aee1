"""A pass over candidates that are split into shards: each shard returns f and the target marginal of its candidates.

Belongs here: splitting, and summing results. Does not: the shards' processes (`remote.py`).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import numpy as np

from getmore_assets.transport.passes import OverRelaxation, TilePass
from getmore_assets.transport.passes.cpu import chunk_rows
from getmore_assets.transport.problem import Problem
from getmore_assets.transport.rows import Rows

T = TypeVar("T")


class ShardedPass:
    """A pass over the parts that `split` returns. On the CPU f is bit for bit that of an undivided pass at the same g.

    Col is summed shard by shard. An undivided pass adds in another order, so the last bits of the float64 sum differ.

    Args:
        problem: The whole problem.
        shards: A pass for each of the parts.
    """

    def __init__(self, problem: Problem, shards: Sequence[TilePass]) -> None:
        self.problem, self._shards, self._block = problem, shards, chunk_rows(problem.m)

    def __call__(
        self, g: np.ndarray, epsilon: float, n: int, inertia: OverRelaxation | None = None, n_total: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `TilePass`."""
        f = np.empty(n, np.float32)

        def sweep(shard: TilePass, rows: list[slice]) -> np.ndarray:
            old = inertia and replace(inertia, old=np.concatenate([inertia.old[block] for block in rows]))
            shard_f, col = shard(g, epsilon, _count(rows), old, n_total or n)
            for number, block in enumerate(rows):
                f[block] = shard_f[number * self._block : (number + 1) * self._block]
            return col

        return f, self._sum(sweep, n)

    def low_precision(self, g: np.ndarray, epsilon: float, n: int, n_total: int | None = None) -> np.ndarray:
        """See `TilePass`."""
        return self._sum(lambda shard, rows: shard.low_precision(g, epsilon, _count(rows), n_total or n), n)

    def _sum(self, work: Callable[[TilePass, list[slice]], np.ndarray], n: int) -> np.ndarray:
        """Return the sum of the marginals of all shards that hold some of the first n candidates: `[m]`, float64."""
        parts = [_rows(number, len(self._shards), self._block, n) for number in range(len(self._shards))]
        nonempty = [(shard, rows) for shard, rows in zip(self._shards, parts, strict=True) if rows]
        with ThreadPoolExecutor(len(nonempty)) as pool:
            total: np.ndarray = np.sum(list(pool.map(lambda pair: work(*pair), nonempty)), axis=0)
        return total


def split(problem: Problem, count: int) -> list[Problem]:
    """Split a problem with equal candidate weights: blocks go to the parts in turn (round-robin).

    So the first k candidates of the problem are the first candidates of each part, for any k. A block is the chunk that
    one thread of a `CpuPass` sweeps over.

    Args:
        problem: The whole problem.
        count: Number of parts; there are fewer if the problem has fewer blocks.
    """
    assert problem.a is None
    block = chunk_rows(problem.m)
    count = min(count, -(-problem.n // block))
    parts = [_rows(number, count, block, problem.n) for number in range(count)]
    scales = [None if problem.scale is None else np.concatenate([problem.scale[at] for at in rows]) for rows in parts]
    return [replace(problem, x=_PartRows(problem.x, rows), scale=s) for rows, s in zip(parts, scales, strict=True)]


class _PartRows:
    """The candidates of one part, block after block."""

    def __init__(self, x: Rows, rows: list[slice]) -> None:
        self._x, self._rows = x, rows
        self.shape = (_count(rows), x.shape[1])

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(self.shape[0])
        size = self._rows[0].stop - self._rows[0].start  # of every block but the last
        parts = [np.empty((0, self.shape[1]), np.float32)]
        for number in range(start // size, -(-stop // size)):
            first, block = number * size, self._rows[number]
            parts.append(self._x[max(start - first, 0) + block.start : min(stop - first + block.start, block.stop)])
        return np.concatenate(parts)


def _rows(number: int, count: int, block: int, n: int) -> list[slice]:
    """Return the blocks of the first n candidates that belong to part `number` of `count` parts."""
    return [slice(start, min(start + block, n)) for start in range(number * block, n, count * block)]


def _count(rows: list[slice]) -> int:
    return sum(block.stop - block.start for block in rows)
