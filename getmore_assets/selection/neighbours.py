"""Nearness to the target: round-robin over nearest neighbours, and nearest to the mean.

Belongs here: what ranks by similarity alone, the baselines that transport must beat. Does not: transport.
"""

import numpy as np
import torch

from getmore_assets.transport.rows import Rows

_BLOCK = 8192  # candidates at a time
_FIRST = 64  # neighbours looked up for each target at first


def nearness_to_mean(x: Rows, y: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Minus the cosine similarity of each candidate with the target's mean: `[n]`, float64; smallest first."""
    mean = (b @ y).astype(np.float32)
    mean /= max(float(np.linalg.norm(mean)), 1e-12)
    out = np.empty(x.shape[0])
    for start in range(0, x.shape[0], _BLOCK):
        out[start : start + _BLOCK] = -(np.asarray(x[start : start + _BLOCK]) @ mean)
    return out


def nearness(x: Rows, y: np.ndarray) -> np.ndarray:
    """Minus the cosine similarity of each candidate with its nearest target: `[n]`, float64; smallest first."""
    targets, out = torch.from_numpy(np.ascontiguousarray(y)), np.empty(x.shape[0])
    for start in range(0, x.shape[0], _BLOCK):
        block = torch.from_numpy(np.require(np.asarray(x[start : start + _BLOCK]), np.float32, ["C", "W"]))
        out[start : start + _BLOCK] = -(block @ targets.T).amax(1).numpy()
    return out


def round_robin(x: Rows, y: np.ndarray, price: np.ndarray, budget: float) -> np.ndarray:
    """Each target takes its nearest candidate that is left, in turn, until the budget is spent: `[k]` places.

    Within a turn the closest pairs come first, so that a turn that the budget cuts off is cut off at its worst.

    Args:
        x: Candidates: `[n, d]`, unit length.
        y: Targets: `[m, d]`, unit length.
        price: What each candidate costs: `[n]`.
        budget: How much may be spent.
    """
    n, k = x.shape[0], min(_FIRST, x.shape[0])
    rows, similarity = nearest(x, y, k)
    at, taken, spent = np.zeros(len(y), np.int64), np.zeros(n, bool), 0.0
    order: list[int] = []
    while len(order) < n:
        while True:  # to the first neighbour of each target that is left
            behind = np.flatnonzero((at < k) & taken[rows[np.arange(len(y)), np.minimum(at, k - 1)]])
            if not len(behind):
                break
            at[behind] += 1
        if (at >= k).any() and k < n:
            k = min(4 * k, n)
            rows, similarity = nearest(x, y, k)
            continue
        waiting = np.flatnonzero(at < k)
        best = similarity[waiting, at[waiting]]
        for target in waiting[np.argsort(-best, kind="stable")]:
            row = rows[target, at[target]]
            if taken[row]:  # a closer target took it in this turn: wait for the next
                continue
            if spent + price[row] > budget:
                return np.array(order, np.int64)
            taken[row], spent = True, spent + price[row]
            order.append(int(row))
    return np.array(order, np.int64)


def nearest(x: Rows, y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest candidates of each target, nearest first: places `[m, k]`, int64, and similarities, float32."""
    targets = torch.from_numpy(np.ascontiguousarray(y))
    best, places = torch.empty(len(y), 0), torch.empty(len(y), 0, dtype=torch.int64)
    for start in range(0, x.shape[0], _BLOCK):
        block = torch.from_numpy(np.require(np.asarray(x[start : start + _BLOCK]), np.float32, ["C", "W"]))
        found = targets @ block.T
        here = torch.arange(start, start + len(block)).expand(len(y), -1)
        merged, numbers = torch.cat([best, found], 1), torch.cat([places, here], 1)
        best, order = merged.topk(min(k, merged.shape[1]), 1)
        places = numbers.gather(1, order)
    return places.numpy(), best.numpy()
