"""Warm starts: reuse an earlier solve for a changed target or pool.

Belongs here: carrying g over to another target, and updating f and the marginal for another pool, which needs no new
solve. Does not: the solver.
"""

import numpy as np

from getmore_assets.transport.passes import TilePass

_BLOCK = 2048


def carried_over(g: np.ndarray, y: np.ndarray, new_y: np.ndarray) -> np.ndarray:
    """Return the initial g of new targets: each gets the g of the nearest earlier target: `[k]`, float64.

    Args:
        g: Target potential of the earlier targets: `[m]`.
        y: The earlier targets: `[m, d]`, unit length.
        new_y: The new targets: `[k, d]`, unit length.
    """
    start = np.empty(len(new_y))
    for at in range(0, len(new_y), _BLOCK):
        start[at : at + _BLOCK] = g[(new_y[at : at + _BLOCK] @ y.T).argmax(axis=1)]
    return start


def moved_marginal(
    marginal: np.ndarray, n: int, g: np.ndarray, epsilon: float, added: TilePass | None, removed: TilePass | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact target marginal at the same g after candidates changed, from passes over the changed candidates.

    With equal weights the marginal is the mean of the candidates' rows of the plan, and no row depends on another.

    Args:
        marginal: Target marginal before the change: `[m]`, float64.
        n: Number of candidates before the change.
        g: Target potential: `[m]`.
        epsilon: Absolute.
        added: The pass over the added candidates; None for none.
        removed: The pass over the removed candidates; None for none.

    Returns:
        The new marginal: `[m]`, and f of the added candidates: `[k]`, float32.
    """
    total, count, f = n * marginal, n, np.empty(0, np.float32)
    if added is not None:
        f, col = added(g, epsilon, added.problem.n)
        total, count = total + added.problem.n * col, count + added.problem.n
    if removed is not None:
        _, col = removed(g, epsilon, removed.problem.n)
        total, count = total - removed.problem.n * col, count - removed.problem.n
    return np.maximum(total, 0.0) / count, f
