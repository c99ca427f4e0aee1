"""Nearness to the target: round-robin over nearest neighbours, and nearest to the mean.

Belongs here: the baselines that rank by similarity alone, which transport must beat. Does not: transport.
"""

from dataclasses import dataclass

import numpy as np
import torch

from getmore_assets.transport.rows import Rows

_BLOCK = 8192  # candidates at a time
_FIRST = 64  # neighbours of each target in the first search
_ENTRY = 12  # bytes of a neighbour: index and similarity


def nearness_to_mean(x: Rows, y: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return minus the cosine similarity of each candidate with the target's mean: `[n]`, float64."""
    mean = (b @ y).astype(np.float32)
    mean /= max(float(np.linalg.norm(mean)), 1e-12)
    similarity = np.empty(x.shape[0])
    for start in range(0, x.shape[0], _BLOCK):
        similarity[start : start + _BLOCK] = np.asarray(x[start : start + _BLOCK]) @ mean
    return -similarity


def nearness(x: Rows, y: np.ndarray, memory_mb: int) -> np.ndarray:
    """Return minus the cosine similarity of each candidate with its nearest target: `[n]`, float64."""
    targets, out = torch.from_numpy(np.ascontiguousarray(y)), np.empty(x.shape[0])
    step = max(1, min(_BLOCK, memory_mb * 2**20 // 2 // (4 * len(y))))
    for start in range(0, x.shape[0], step):
        out[start : start + step] = -(_block(x, start, step) @ targets.T).amax(1).numpy()
    return out


@dataclass
class _Queue:
    """The nearest candidates of one target: indices and similarities, `[k]`, nearest first, and the next to take."""

    indices: np.ndarray
    similarity: np.ndarray
    at: int = 0

    def skip(self, taken: np.ndarray) -> bool:
        """Go to the next candidate that is not taken (`[n]`, bool), and return whether there is one."""
        while self.at < len(self.indices) and taken[self.indices[self.at]]:
            self.at += 1
        return self.at < len(self.indices)


def round_robin(x: Rows, y: np.ndarray, price: np.ndarray, budget: float, memory_mb: int) -> np.ndarray:
    """Let each target take its nearest remaining candidate in turn, until the budget is spent; returns indices: `[k]`.

    Within a turn the closest pairs come first, so a budget that ends within a turn drops the farthest pairs.

    Args:
        x: Candidates: `[n, d]`, unit length.
        y: Targets: `[m, d]`, unit length.
        price: Price of each candidate, 1 or its tokens: `[n]`.
        budget: The budget, in the same unit.
        memory_mb: Memory limit of neighbours and their search, in MiB.
    """
    n, m = x.shape[0], len(y)
    # A quarter of the memory is for all queues, a quarter for their replacements, and the rest for `nearest`.
    most = max(1, memory_mb * 2**20 // 4 // (_ENTRY * m))
    taken, spent = np.zeros(n, bool), 0.0
    order: list[int] = []
    queues = [_Queue(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in range(m)]
    head, similarity, behind = np.empty(m, np.int64), np.empty(m, np.float32), np.arange(m)
    while len(order) < n:
        ended = [target for target in behind if not queues[target].skip(taken)]
        if ended:  # only these targets search again, among the remaining candidates
            longest = max(len(queues[target].indices) for target in ended)
            k = min(max(_FIRST, 4 * longest), most, n - len(order))
            for target, indices, near in zip(ended, *nearest(x, y[ended], k, memory_mb, taken), strict=True):
                queues[target] = _Queue(indices.copy(), near.copy())  # a view would keep the arrays of all targets
        for target in behind:
            queue = queues[target]
            head[target], similarity[target] = queue.indices[queue.at], queue.similarity[queue.at]
        for target in np.argsort(-similarity, kind="stable"):
            row = head[target]
            if taken[row]:  # by a closer target in this turn; this target takes another row in the next turn
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
    """Return the k nearest candidates of each target, nearest first: indices `[m, k]`, int64; similarities, float32.

    Args:
        x: Candidates: `[n, d]`, unit length.
        y: Targets: `[m, d]`, unit length.
        k: Number of candidates, at most those that are not taken.
        memory_mb: Memory limit of a tile of targets with the results of all targets, in MiB.
        taken: Candidates to leave out: `[n]`, bool.
    """
    indices, similarity = np.empty((len(y), k), np.int64), np.empty((len(y), k), np.float32)
    # Memory per target: products with a block, the best of these, and the merge with the best so far.
    step = max(1, memory_mb * 2**20 // 4 // (4 * _BLOCK + 6 * _ENTRY * k))
    for start in range(0, len(y), step):
        tile = slice(start, start + step)
        indices[tile], similarity[tile] = _nearest(x, torch.from_numpy(np.ascontiguousarray(y[tile])), k, taken)
    return indices, similarity


def _nearest(x: Rows, targets: torch.Tensor, k: int, taken: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    best, indices = torch.empty(len(targets), 0), torch.empty(len(targets), 0, dtype=torch.int64)
    for start in range(0, x.shape[0], _BLOCK):
        products = targets @ _block(x, start, _BLOCK).T
        if taken is not None:
            products[:, torch.from_numpy(taken[start : start + _BLOCK])] = -torch.inf
        similar, at = products.topk(min(k, products.shape[1]), 1)
        best, indices = torch.cat([best, similar], 1), torch.cat([indices, at + start], 1)
        best, order = best.topk(min(k, best.shape[1]), 1)
        indices = indices.gather(1, order)
    return indices.numpy(), best.numpy()


def _block(x: Rows, start: int, rows: int) -> torch.Tensor:
    return torch.from_numpy(np.require(np.asarray(x[start : start + rows]), np.float32, ["C", "W"]))
