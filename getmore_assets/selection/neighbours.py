"""Nearness to the target: round-robin over nearest neighbours, and nearest to the mean.

Belongs here: what ranks by similarity alone, the baselines that transport must beat. Does not: transport.
"""

from dataclasses import dataclass

import numpy as np
import torch

from getmore_assets.transport.rows import Rows

_BLOCK = 8192  # candidates at a time
_FIRST = 64  # neighbours looked up for each target at first
_ENTRY = 12  # bytes of a neighbour: its place and its similarity


def nearness_to_mean(x: Rows, y: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Minus the cosine similarity of each candidate with the target's mean: `[n]`, float64; smallest first."""
    mean = (b @ y).astype(np.float32)
    mean /= max(float(np.linalg.norm(mean)), 1e-12)
    out = np.empty(x.shape[0])
    for start in range(0, x.shape[0], _BLOCK):
        out[start : start + _BLOCK] = -(np.asarray(x[start : start + _BLOCK]) @ mean)
    return out


def nearness(x: Rows, y: np.ndarray, memory_mb: int) -> np.ndarray:
    """Minus the cosine similarity of each candidate with its nearest target: `[n]`, float64; smallest first."""
    targets, out = torch.from_numpy(np.ascontiguousarray(y)), np.empty(x.shape[0])
    step = max(1, min(_BLOCK, memory_mb * 2**20 // 2 // (4 * len(y))))
    for start in range(0, x.shape[0], step):
        out[start : start + step] = -(_block(x, start, step) @ targets.T).amax(1).numpy()
    return out


@dataclass
class _Queue:
    """The nearest candidates of one target: places and similarities, `[k]`, nearest first, and where its turn is."""

    places: np.ndarray
    similarity: np.ndarray
    at: int = 0

    def has_one(self, taken: np.ndarray) -> bool:
        """Go to the first that is not taken (`[n]`, bool); whether there is one."""
        while self.at < len(self.places) and taken[self.places[self.at]]:
            self.at += 1
        return self.at < len(self.places)


def round_robin(x: Rows, y: np.ndarray, price: np.ndarray, budget: float, memory_mb: int) -> np.ndarray:
    """Each target takes its nearest candidate that is left, in turn, until the budget is spent: `[k]` places.

    Within a turn the closest pairs come first, so that a turn that the budget cuts off is cut off at its worst.

    Args:
        x: Candidates: `[n, d]`, unit length.
        y: Targets: `[m, d]`, unit length.
        price: What each candidate costs: `[n]`.
        budget: How much may be spent.
        memory_mb: Of neighbours and of looking for them, in MiB.
    """
    n, m = x.shape[0], len(y)
    # A quarter of the memory for all queues, and one for those that take their place; `nearest` takes the rest.
    most = max(1, memory_mb * 2**20 // 4 // (_ENTRY * m))
    taken, spent = np.zeros(n, bool), 0.0
    order: list[int] = []
    queues = [_Queue(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in range(m)]
    head, similarity, behind = np.empty(m, np.int64), np.empty(m, np.float32), np.arange(m)
    while len(order) < n:
        ended = [target for target in behind if not queues[target].has_one(taken)]
        if ended:  # these alone look further, among what is left
            longest = max(len(queues[target].places) for target in ended)
            k = min(max(_FIRST, 4 * longest), most, n - len(order))
            for target, places, near in zip(ended, *nearest(x, y[ended], k, memory_mb, taken), strict=True):
                queues[target] = _Queue(places.copy(), near.copy())  # a view would keep what all others found
        for target in behind:
            queue = queues[target]
            head[target], similarity[target] = queue.places[queue.at], queue.similarity[queue.at]
        for target in np.argsort(-similarity, kind="stable"):
            row = head[target]
            if taken[row]:  # a closer target took it in this turn: wait for the next
                continue
            if spent + price[row] > budget:
                return np.array(order, np.int64)
            taken[row], spent = True, spent + price[row]
            order.append(int(row))
        behind = np.flatnonzero(taken[head])
    return np.array(order, np.int64)


def nearest(
    x: Rows, y: np.ndarray, k: int, memory_mb: int, taken: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest candidates of each target, nearest first: places `[m, k]`, int64, and similarities, float32.

    Args:
        x: Candidates: `[n, d]`, unit length.
        y: Targets: `[m, d]`, unit length.
        k: How many, at most as many as are not taken.
        memory_mb: Of a tile of targets, with what is found for all of them, in MiB.
        taken: Candidates that are left out: `[n]`, bool.
    """
    places, similarity = np.empty((len(y), k), np.int64), np.empty((len(y), k), np.float32)
    # Of a target: its products with a block, the best of these, and both they and the best before, again in order.
    step = max(1, memory_mb * 2**20 // 4 // (4 * _BLOCK + 6 * _ENTRY * k))
    for start in range(0, len(y), step):
        tile = slice(start, start + step)
        places[tile], similarity[tile] = _nearest(x, torch.from_numpy(np.ascontiguousarray(y[tile])), k, taken)
    return places, similarity


def _nearest(x: Rows, targets: torch.Tensor, k: int, taken: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    best, places = torch.empty(len(targets), 0), torch.empty(len(targets), 0, dtype=torch.int64)
    for start in range(0, x.shape[0], _BLOCK):
        found = targets @ _block(x, start, _BLOCK).T
        if taken is not None:
            found[:, torch.from_numpy(taken[start : start + _BLOCK])] = -torch.inf
        here, at = found.topk(min(k, found.shape[1]), 1)
        best, places = torch.cat([best, here], 1), torch.cat([places, at + start], 1)
        best, order = best.topk(min(k, best.shape[1]), 1)
        places = places.gather(1, order)
    return places.numpy(), best.numpy()


def _block(x: Rows, start: int, rows: int) -> torch.Tensor:
    return torch.from_numpy(np.require(np.asarray(x[start : start + rows]), np.float32, ["C", "W"]))
