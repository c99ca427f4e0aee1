"""The published loop: Sinkhorn with momentum as in OTT-JAX, for reproducing published results.

Belongs here: this loop. Does not: the solver that this project recommends (`solver.py`).

The authors call OTT-JAX (log-sum-exp mode, one inner iteration) on PointCloud(target, candidates) with ε 0.1, momentum
1.3, threshold 0.1, at most 2,000 iterations. An iteration updates the candidate potential, then the target's, each
over-relaxed (Thibault et al. 2021), and stops on the L1 error of the *candidate* marginal. The authors rank by the
over-relaxed candidate potential at the stop. Here one pass computes both updates of an iteration; the next pass
computes the iteration's error.
"""

import logging
import time

import numpy as np

from getmore_assets.transport.passes import OverRelaxation, TilePass
from getmore_assets.transport.solver import NotConvergedError, Solution

log = logging.getLogger(__name__)


def solve_as_published(
    tile_pass: TilePass, epsilon: float, *, momentum: float = 1.3, threshold: float = 0.1, max_passes: int = 2000
) -> Solution:
    """Iterate as the authors do.

    Args:
        tile_pass: The pass over the problem; all weights are positive.
        epsilon: Absolute.
        momentum: Between 0 and 2; 1 is plain Sinkhorn.
        threshold: L1 error of the candidate marginal at which to stop.
        max_passes: Iterations before giving up.

    Returns:
        g and f at the stop, each up to a constant (f is not the c-transform of g); `error` is the error of the
        candidate marginal.

    Raises:
        NotConvergedError: After `max_passes`.
    """
    began, problem = time.monotonic(), tile_pass.problem
    a = problem.weights(problem.n)
    # OTT-JAX's potentials start at 0 and carry the weights: f + ε log a, g + ε log b.
    f = np.asarray(np.zeros(problem.n) - epsilon * (-np.log(problem.n) if a is None else np.log(a)), np.float32)
    g = -epsilon * problem.log_b
    history: list[tuple[int, float, float]] = []
    for _ in range(max_passes + 1):
        relaxed, col = tile_pass(g, epsilon, problem.n, OverRelaxation(f, momentum))
        exact = (relaxed.astype(np.float64) - (1 - momentum) * f) / momentum
        off = np.abs(np.expm1((f - exact) / epsilon))
        error = float(off.mean() if a is None else a @ off)
        history.append((problem.n, epsilon, error))
        log.info("iteration %d: candidate marginal error %.2e", len(history) - 1, error)
        if len(history) > 1 and history[-1][2] <= threshold:
            mean_f = float(f.mean(dtype=np.float64) if a is None else a @ f)
            dual = mean_f + float(problem.b @ g)
            passes = len(history)
            return Solution(
                g,
                f,
                col,
                epsilon,
                history[-1][2],
                dual,
                float("nan"),
                history[1:],
                passes,
                passes,
                time.monotonic() - began,
            )
        f = relaxed
        g = g + momentum * epsilon * (problem.log_b - np.log(np.maximum(col, 1e-300)))
    raise NotConvergedError(
        f"candidate marginal error {history[-1][2]:.1e} after {max_passes} iterations, threshold {threshold:.0e}: "
        "raise transport.max_passes or transport.tolerance, or lower transport.momentum"
    )
