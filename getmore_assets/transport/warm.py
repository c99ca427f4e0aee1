"""From an earlier solve to a new one: what of it can be gone on from, and when it needs no new solve at all.

Belongs here: carrying g over to another target, and bringing f and the marginal in line with another pool. Does not:
the solver.
"""

import numpy as np

from getmore_assets.transport.passes import TilePass

_BLOCK = 2048


def carried_over(g: np.ndarray, y: np.ndarray, new_y: np.ndarray) -> np.ndarray:
    """A g to start from for targets that had none: that of the nearest which had one, `[k]`, float64.

    Args:
        g: `[m]`.
        y: The targets it belongs to: `[m, d]`, unit length.
        new_y: `[k, d]`, unit length.
    """
    start = np.empty(len(new_y))
    for at in range(0, len(new_y), _BLOCK):
        start[at : at + _BLOCK] = g[(new_y[at : at + _BLOCK] @ y.T).argmax(axis=1)]
    return start


def moved_marginal(
    marginal: np.ndarray, n: int, g: np.ndarray, epsilon: float, came: TilePass | None, went: TilePass | None
) -> tuple[np.ndarray, np.ndarray]:
    """The target marginal at the same g after candidates came and went: exact, from a pass over these alone.

    With equal weights the marginal is the mean of the candidates' rows of the plan, and a row depends on no other.

    Args:
        marginal: `[m]`, float64, of n candidates.
        n: How many there were.
        g: Target potential.
        epsilon: Absolute.
        came: The pass of those that are new, None where there are none.
        went: The pass of those that are gone.

    Returns:
        The new marginal, and f of those that came: `[k]`, float32.
    """
    total, count, f = n * marginal, n, np.empty(0, np.float32)
    if came is not None:
        f, col = came(g, epsilon, came.problem.n)
        total, count = total + came.problem.n * col, count + came.problem.n
    if went is not None:
        _, col = went(g, epsilon, went.problem.n)
        total, count = total - went.problem.n * col, count - went.problem.n
    return np.maximum(total, 0.0) / count, f
