"""A pass on the nodes of a Ray cluster: each node gets g and returns f and the target marginal of its candidates.

Belongs here: the actor with a part of the candidates, and sending the part to it. Does not: splitting (`sharded.py`),
or the sweep (`cpu.py`, `gpu.py`).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from getmore_assets.cluster import Worker, joined, started
from getmore_assets.config import Elsewhere
from getmore_assets.transport.passes import OverRelaxation, TilePass, best_pass
from getmore_assets.transport.passes.cpu import chunk_rows
from getmore_assets.transport.passes.sharded import ShardedPass, split
from getmore_assets.transport.problem import Problem

log = logging.getLogger(__name__)


@contextmanager
def remote_pass(problem: Problem, memory_mb: int, place: Elsewhere) -> Iterator[TilePass]:
    """Yield a pass whose candidates are divided among the workers of a cluster.

    The candidates go through Ray's object store once, block by block. They stay in the store, or on disk if it is full,
    until the end, because Ray restarts a lost worker on another node, where the worker fetches its part again.

    Args:
        problem: The problem whose candidates are swept over.
        memory_mb: Memory of a tile on a GPU, in MiB.
        place: The cluster.

    Raises:
        BadInput: No cluster, or fewer GPUs than workers.
    """
    import ray

    with joined(place.ray, "launch.solve"):
        block, parts = chunk_rows(problem.m), []
        for part in split(problem, place.workers):
            blocks = [ray.put(part.x[start : start + block]) for start in range(0, part.n, block)]
            without = replace(part, x=np.empty((0, part.x.shape[1]), np.float32))
            parts.append(ray.put((without, part.n, blocks)))
        actors = started(Sweeper, place, "launch.solve", [(memory_mb,)] * len(parts))
        yield ShardedPass(problem, [_ActorSweep(problem, *pair) for pair in zip(actors, parts, strict=True)])


class Sweeper(Worker):
    """The actor: a worker process that sweeps over its part of the candidates.

    Args:
        threads: Threads of torch.
        memory_mb: Memory of a tile on a GPU, in MiB.
    """

    def __init__(self, threads: int, memory_mb: int) -> None:
        super().__init__(threads)
        self._memory_mb = memory_mb
        self._pass: TilePass | None = None

    def sweep(
        self,
        part: list[Any],
        g: np.ndarray,
        epsilon: float,
        n: int,
        inertia: OverRelaxation | None,
        n_total: int | None,
    ) -> tuple[tuple[np.ndarray, np.ndarray], bool]:
        """Return potential (`[n]`, float32), marginal (`[m]`, float64), and whether this call repeats a lost one."""
        return self._over(part)(g, epsilon, n, inertia, n_total), self.again()

    def low_precision(
        self, part: list[Any], g: np.ndarray, epsilon: float, n: int, n_total: int | None
    ) -> tuple[np.ndarray, bool]:
        """Return the low-precision marginal (`[m]`, float64), and whether this call repeats a lost one."""
        return self._over(part).low_precision(g, epsilon, n, n_total), self.again()

    def _over(self, part: list[Any]) -> TilePass:
        """Return the pass over the actor's part; the first call, also after a restart, fetches the part."""
        import ray

        if self._pass is None:
            problem, n, blocks = ray.get(part[0])
            x, at = np.empty((n, problem.x.shape[1]), np.float32), 0
            for reference in blocks:
                block = ray.get(reference)
                x[at : at + len(block)] = block
                at += len(block)
            # Arrays from Ray's object store are read-only.
            self._pass = best_pass(replace(problem, x=x, y=problem.y.copy()), self._memory_mb)
        return self._pass


class _ActorSweep:
    """The pass that an actor computes.

    Args:
        problem: The actor's part of the problem.
        actor: The actor.
        part: References to the part without its candidates, and to the candidates' blocks.
    """

    def __init__(self, problem: Problem, actor: Any, part: Any) -> None:
        self.problem, self._actor, self._part = problem, actor, [part]  # Ray does not fetch references in a list

    def __call__(
        self, g: np.ndarray, epsilon: float, n: int, inertia: OverRelaxation | None = None, n_total: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `TilePass`."""
        f_col: tuple[np.ndarray, np.ndarray] = _answer(
            self._actor.sweep.remote(self._part, g, epsilon, n, inertia, n_total)
        )
        return f_col

    def low_precision(self, g: np.ndarray, epsilon: float, n: int, n_total: int | None = None) -> np.ndarray:
        """See `TilePass`."""
        col: np.ndarray = _answer(self._actor.low_precision.remote(self._part, g, epsilon, n, n_total))
        return col


def _answer(reference: Any) -> Any:
    import ray

    result, again = ray.get(reference)
    if again:
        log.warning("solve: a worker was lost, its shard was built again on another worker")
    return result
