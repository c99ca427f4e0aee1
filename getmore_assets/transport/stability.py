"""How much the selection depends on ε: its overlap with the selections at ε/2 and 2ε.

Belongs here: that overlap, on a sample. Does not: whether the overlap is large enough (the asset check).
"""

import math

import numpy as np

from getmore_assets.transport.passes import best_pass
from getmore_assets.transport.problem import Problem
from getmore_assets.transport.solver import NotConvergedError, solve

SAMPLE = 8192
SHARES = (0.01, 0.05, 0.2)
_TOLERANCE = 5e-3
_MAX_PASSES = 100


def choice_overlap(
    problem: Problem, g: np.ndarray, epsilon: float, relaxation: float | None, memory_mb: int
) -> list[dict[str, float | None]]:
    """Return the Jaccard similarity of the lowest f at ε with those at ε/2 and 2ε, among the first 8,192 candidates.

    Args:
        problem: The whole problem.
        g: The solved target potential, to start from: `[m]`.
        epsilon: Regularisation of that solve, absolute.
        relaxation: τ of the target marginal, absolute; the same at every ε.
        memory_mb: Memory limit of a pass, in MiB.

    Returns:
        One entry for each factor (0.5, 2) and share of the sample: factor, share, jaccard; None if the solve at that
        factor did not converge.
    """
    tile_pass = best_pass(problem.only(min(SAMPLE, problem.n)), memory_mb)

    def order(factor: float) -> np.ndarray | None:
        try:
            solution = solve(
                tile_pass,
                factor * epsilon,
                tolerance=_TOLERANCE,
                max_passes=_MAX_PASSES,
                relaxation=relaxation,
                start=g,
            )
        except NotConvergedError:
            return None
        return np.argsort(solution.f, kind="stable")

    orders = {factor: order(factor) for factor in (1.0, 0.5, 2.0)}
    return [
        {"factor": factor, "share": share, "jaccard": jaccard(orders[1.0], orders[factor], share)}
        for factor in (0.5, 2.0)
        for share in SHARES
    ]


def jaccard(one: np.ndarray | None, other: np.ndarray | None, share: float) -> float | None:
    """Return the Jaccard similarity of the first `share` of two orders (`[n]`, int64); None if an order is None."""
    if one is None or other is None:
        return None
    k = math.ceil(share * len(one))
    common = len(np.intersect1d(one[:k], other[:k]))
    return common / (2 * k - common)
