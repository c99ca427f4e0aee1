"""Domain triage: the distance of each domain of the pool from the target, by a small solve on a sample of the domain.

Belongs here: distances and their order. Does not: keeping domains, or sampling (`workers/triage.py`).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from getmore_assets.transport.passes import best_pass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import solve

log = logging.getLogger(__name__)

TOLERANCE = 1e-2


@dataclass(frozen=True)
class Distance:
    """The distance of a domain from the target.

    Attributes:
        domain: Name of the domain.
        sampled: Number of rows in the sample.
        distance: Entropic transport cost between sample and target.
        error: L1 error of the target marginal at which the solve stopped.
    """

    domain: str
    sampled: int
    distance: float
    error: float


def distances(
    samples: Mapping[str, np.ndarray], y: np.ndarray, b: np.ndarray, epsilon: float, memory_mb: int
) -> list[Distance]:
    """Return every domain's distance, nearest first (GOT-D, appendix C.2, with 10,000 rows of each domain).

    Args:
        samples: Vectors of each domain: `[k, d]`, float32. A smaller sample gives a larger distance: pass equal sizes.
        y: Targets: `[m, d]`, float32.
        b: Target weights: `[m]`.
        epsilon: Regularisation, times the mean cost over all domains: the same ε for all, so that distances compare.
        memory_mb: Memory limit of a pass, in MiB.
    """
    problems = {domain: build_problem(x, y, b) for domain, x in samples.items()}
    unit = float(np.mean([problem.mean_cost for problem in problems.values()]))
    measured = []
    for domain, problem in problems.items():
        solution = solve(best_pass(problem, memory_mb), epsilon * unit, tolerance=TOLERANCE)
        log.info("distance of %s, %d rows: %.4f", domain, problem.n, solution.dual)
        measured.append(Distance(domain, problem.n, solution.dual, solution.error))
    return sorted(measured, key=lambda distance: (distance.distance, distance.domain))
