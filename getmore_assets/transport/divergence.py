"""The transport distance between two targets.

Belongs here: the Sinkhorn divergence of two weighted sets. Does not: the limit for drift (`config.Drift`).
"""

from typing import NamedTuple

import numpy as np

from getmore_assets.transport.passes import best_pass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import solve

SAMPLE = 4096
_TOLERANCE = 1e-2
_EPSILON = 0.05  # times the mean cost between the two sets


class Points(NamedTuple):
    """A weighted set of points.

    Attributes:
        y: Points in random order: `[m, d]`, float32.
        b: Weights: `[m]`, summing to 1.
    """

    y: np.ndarray
    b: np.ndarray


def divergence(one: Points, other: Points, memory_mb: int) -> float:
    """Return the Sinkhorn divergence OT(α, β) - OT(α, α)/2 - OT(β, β)/2 (Feydy et al., AISTATS 2019).

    It is measured on the first 4,096 points of each set, in the unit of the cost (squared distance of unit vectors).

    Args:
        one: α.
        other: β.
        memory_mb: Memory limit of a pass, in MiB.
    """
    a, b = (Points(p.y[:SAMPLE], p.b[:SAMPLE] / p.b[:SAMPLE].sum()) for p in (one, other))
    epsilon = _EPSILON * build_problem(a.y, b.y, b.b, a.b).mean_cost

    def transport(x: Points, y: Points) -> float:
        return solve(best_pass(build_problem(x.y, y.y, y.b, x.b), memory_mb), epsilon, tolerance=_TOLERANCE).dual

    return transport(a, b) - (transport(a, a) + transport(b, b)) / 2
