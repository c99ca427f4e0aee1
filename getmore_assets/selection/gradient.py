"""GOT-D: rank candidates by the derivative of the transport distance with respect to their weight.

Belongs here: scores and ranks from a candidate potential. Does not: the budget (`subset.py`).
"""

import numpy as np


def calibrated_gradient(f: np.ndarray) -> np.ndarray:
    """s_i = f_i - mean of the other f: `[n]`, float64 (LAVA, ICLR 2023; GOT-D eq. 4).

    How fast the distance from pool to target changes when weight moves from all others to row i: the most negative
    rows pull the pool towards the target fastest.
    """
    f = f.astype(np.float64)
    if len(f) == 1:
        return np.zeros(1)
    scores: np.ndarray = f - (f.sum() - f) / (len(f) - 1)
    return scores


def plan_row(x: np.ndarray, y: np.ndarray, g: np.ndarray, b: np.ndarray, epsilon: float) -> np.ndarray:
    """The shares of a candidate's mass that the plan sends to each target: `[m]`, float64, summing to 1.

    Args:
        x: The candidate: `[d]`, unit length.
        y: Targets: `[m, d]`, unit length.
        g: Target potential: `[m]`.
        b: Target weights: `[m]`.
        epsilon: The regularisation, absolute.
    """
    with np.errstate(divide="ignore"):
        z = (2 * (y @ x).astype(np.float64) + g) / epsilon + np.log(b)
    weights = np.exp(z - z.max())
    shares: np.ndarray = weights / weights.sum()
    return shares


def nearest_targets(x: np.ndarray, y: np.ndarray, g: np.ndarray, b: np.ndarray, epsilon: float, k: int) -> np.ndarray:
    """The k targets to which the plan sends most of each row, most first: `[len(x), k]`, int64.

    Args:
        x: Rows: `[n, d]`, unit length. One block: the cost matrix is held.
        y: Targets: `[m, d]`, unit length.
        g: Target potential: `[m]`.
        b: Target weights: `[m]`.
        epsilon: The regularisation, absolute.
        k: How many, at most m.
    """
    mass = (2 * x @ y.T + g.astype(np.float32)) / np.float32(epsilon) + np.log(b).astype(np.float32)
    k = min(k, mass.shape[1])
    top = np.argpartition(-mass, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(mass, top, axis=1), axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)
