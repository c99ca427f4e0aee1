"""A pass on the nodes of a Ray cluster: g goes out, f and an m-vector come back from each.

Belongs here: the actor that holds a part of the candidates, and sending it there. Does not: which part
(`sharded.py`), or the sweep (`cpu.py`, `gpu.py`).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from getmore_assets.cluster import Worker, joined, started
from getmore_assets.config import OnRay
from getmore_assets.transport.passes import Inertia, TilePass, best_pass
from getmore_assets.transport.passes.cpu import chunk_rows
from getmore_assets.transport.passes.sharded import ShardedPass, deal
from getmore_assets.transport.problem import Problem

log = logging.getLogger(__name__)


@contextmanager
def remote_pass(problem: Problem, memory_mb: int, place: OnRay) -> Iterator[TilePass]:
    """A pass whose candidates lie in the memory of a cluster's nodes, shared out among its workers.

    They go through Ray's object store, once, block by block. There they stay until the end, spilled to disk where it is
    full: a worker that is lost is started on another node, and fetches its part again.

    Args:
        problem: What to sweep over.
        memory_mb: Memory of a tile on a GPU, in MiB.
        place: The cluster.

    Raises:
        BadInput: No cluster, or fewer GPUs than workers.
    """
    import ray

    with joined(place, "launch.solve"):
        block, sent = chunk_rows(problem.m), []
        for part in deal(problem, place.workers):
            blocks = [ray.put(part.x[start : start + block]) for start in range(0, part.n, block)]
            sent.append((replace(part, x=np.empty((0, part.x.shape[1]), np.float32)), part.n, blocks, memory_mb))
        yield ShardedPass(problem, [_There(problem, one) for one in started(Sweeper, place, "launch.solve", sent)])


class Sweeper(Worker):
    """The actor.

    Args:
        threads: That torch may use.
        problem: Its part, without the candidates.
        n: How many they are.
        blocks: Where they are to be had: references to `[k, d]`, float32.
        memory_mb: Memory of a tile on a GPU, in MiB.
    """

    def __init__(self, threads: int, problem: Problem, n: int, blocks: list[Any], memory_mb: int) -> None:
        super().__init__(threads)
        import ray

        x, at = np.empty((n, problem.x.shape[1]), np.float32), 0
        for reference in blocks:
            block = ray.get(reference)
            x[at : at + len(block)] = block
            at += len(block)
        self._pass = best_pass(replace(problem, x=x, y=problem.y.copy()), memory_mb)  # what Ray hands over is read-only

    def sweep(
        self, g: np.ndarray, epsilon: float, n: int, inertia: Inertia | None, of: int | None
    ) -> tuple[tuple[np.ndarray, np.ndarray], bool]:
        """Both potential and marginal, and whether they were asked for before."""
        return self._pass(g, epsilon, n, inertia, of), self.again()

    def rough(self, g: np.ndarray, epsilon: float, n: int, of: int | None) -> tuple[np.ndarray, bool]:
        """The marginal, and whether it was asked for before."""
        return self._pass.rough(g, epsilon, n, of), self.again()


class _There:
    """The pass of an actor."""

    def __init__(self, problem: Problem, actor: Any) -> None:
        self.problem, self._actor = problem, actor

    def __call__(
        self, g: np.ndarray, epsilon: float, n: int, inertia: Inertia | None = None, of: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `TilePass`."""
        found: tuple[np.ndarray, np.ndarray] = _answer(self._actor.sweep.remote(g, epsilon, n, inertia, of))
        return found

    def rough(self, g: np.ndarray, epsilon: float, n: int, of: int | None = None) -> np.ndarray:
        """See `TilePass`."""
        col: np.ndarray = _answer(self._actor.rough.remote(g, epsilon, n, of))
        return col


def _answer(asked: Any) -> Any:
    import ray

    found, again = ray.get(asked)
    if again:
        log.warning("solve: a worker was lost, its shard was built on another and asked again")
    return found
