"""One sweep over the candidates, which computes the candidate potential and the plan's target marginal.

Belongs here: the interface of a pass, and its implementations (`cpu`, `gpu`, `sharded`). Does not: the loop.

With weights a, b and cost C (see `problem`), a target potential g gives

    z_ij = log b_j + (g_j - C_ij)/ε          one matrix product, plus a bias for each target
    f_i  = -ε log Σ_j exp z_ij               the c-transform of g (semi-dual; Peyré & Cuturi 2019, eq. 4.43)
    p_ij = exp(z_ij + f_i/ε)                 the row soft-max: the plan is P_ij = a_i p_ij, its rows sum to a_i
    col_j = Σ_i a_i p_ij                     the target marginal, which equals b_j at the solution g

so one matrix product and one sweep of exponentials per tile give both f and col.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from getmore_assets.transport.problem import Problem


@dataclass(frozen=True)
class OverRelaxation:
    """Over-relaxation of f as in the published loop: f ← (1 - momentum) old + momentum f.

    The target marginal is computed from the plan with the over-relaxed f, whose rows do not sum to a.

    Attributes:
        old: f of the iteration before: `[n]`, float32.
        momentum: Between 0 and 2; 1 leaves f unchanged.
    """

    old: np.ndarray
    momentum: float


class TilePass(Protocol):
    """A sweep over the candidates of a problem; a solver reads the candidates only by sweeps."""

    @property
    def problem(self) -> Problem:
        """The problem whose candidates are swept over."""
        ...

    def __call__(
        self, g: np.ndarray, epsilon: float, n: int, inertia: OverRelaxation | None = None, n_total: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sweep over the first n candidates, whose weights are scaled to sum to 1.

        Args:
            g: Target potential: `[m]`, float64.
            epsilon: Absolute, in the unit of the cost.
            n: Number of candidates.
            inertia: Over-relaxation of f.
            n_total: Number of candidates of all shards, which have equal weights of 1/n_total; None for n.

        Returns:
            f: `[n]`, float32, and col: `[m]`, float64.
        """
        ...

    def low_precision(self, g: np.ndarray, epsilon: float, n: int, n_total: int | None = None) -> np.ndarray:
        """Return a low-precision col (`[m]`, float64), faster, with an error of some thousandths of its sum.

        Only for intermediate iterations, never for the last one. The arguments are those of a full pass.
        """
        ...


def best_pass(problem: Problem, memory_mb: int) -> TilePass:
    """Return the pass for this machine's device: the GPU if there is one, else the CPU."""
    from getmore_assets.device import best_device
    from getmore_assets.transport.passes.cpu import CpuPass
    from getmore_assets.transport.passes.gpu import GpuPass
    from getmore_assets.transport.plan import keep_mb

    device = best_device()
    if device.type != "cpu":
        return GpuPass(problem, device, memory_mb)
    return CpuPass(problem, keep_mb=keep_mb(problem.n, problem.m, problem.y.shape[1], memory_mb))
