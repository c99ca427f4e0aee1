"""One pass over the candidates in tiles: the candidate potential and the target marginal of the current plan.

Belongs here: the operator that the solver's loop is written against. Does not: the loop.

With candidates x_i of weight 1/n and targets y_j of weight b_j, all of unit length, cost
C_ij = |x_i - y_j|² = 2 - 2 x_i·y_j:

    f_i = -ε log Σ_j b_j exp((g_j - C_ij)/ε)                      (the c-transform; rows of the plan then sum to 1/n)
    P_ij = b_j exp((f_i + g_j - C_ij)/ε) / n                        (a row soft-max, divided by n)
    col_j = Σ_i P_ij                                                (the target marginal)

so one product and one exponential of a tile give all three.
"""

from collections.abc import Callable

import numpy as np
import torch

from getmore_assets.device import best_device

UNIT_TOLERANCE = 1e-3

#: (g [m], ε, n) -> (f [n] float32, col [m] float64) over the first n candidates.
TilePass = Callable[[np.ndarray, float, int], tuple[np.ndarray, np.ndarray]]


class DenseTiles:
    """A tile pass over a matrix in memory or memory-mapped.

    Args:
        x: Candidates: `[N, d]`, float32, unit length.
        y: Targets: `[m, d]`, float32, unit length.
        b: Target weights: `[m]`, positive, summing to 1.
        tile_mb: Memory of one tile of the cost matrix, in MiB.

    Raises:
        ValueError: A vector is not of unit length or not finite, or a weight is not positive.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, b: np.ndarray, tile_mb: int = 64) -> None:
        if not (np.asarray(b) > 0).all() or abs(float(np.sum(b)) - 1) > 1e-6:
            raise ValueError("target weights must be positive and sum to 1")
        self.device = best_device()
        self._x = x
        self._y = torch.from_numpy(np.ascontiguousarray(y, dtype=np.float32)).to(self.device)
        self._log_b = torch.from_numpy(np.log(np.asarray(b, np.float64))).to(self.device)
        self.rows = max(1, min(len(x), tile_mb * 2**20 // (4 * len(y))))
        self._tile = torch.empty(self.rows, len(y), device=self.device)
        for name, vectors in (("candidate", x), ("target", y)):
            _require_unit_length(name, vectors, self.rows)

    def __call__(self, g: np.ndarray, epsilon: float, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The c-transform of g over the first n candidates, and the target marginal: `[n]` float32, `[m]` float64."""
        weights = self._y.T * (2 / epsilon)
        bias = (self._log_b + (torch.from_numpy(g).to(self.device) - 2) / epsilon).float()
        f = np.empty(n, np.float32)
        col = torch.zeros(len(self._y), dtype=torch.float64, device=self.device)
        for start in range(0, n, self.rows):
            stop = min(start + self.rows, n)
            x = torch.from_numpy(np.asarray(self._x[start:stop])).to(self.device)
            z = torch.addmm(bias, x, weights, out=self._tile[: stop - start])
            top = z.amax(1, keepdim=True)
            z.sub_(top).exp_()
            total = z.sum(1)
            col += (1 / (n * total)) @ z
            f[start:stop] = (-epsilon * (top[:, 0] + total.log())).cpu().numpy()
        return f, col.cpu().numpy()


def mean_cost(x: np.ndarray, y: np.ndarray, b: np.ndarray, block: int = 65536) -> float:
    """Σ_ij C_ij b_j / N: the unit of a relative ε. One read of x."""
    total = np.zeros(x.shape[1], np.float64)
    for start in range(0, len(x), block):
        total += np.asarray(x[start : start + block]).sum(axis=0, dtype=np.float64)
    return float(2 - 2 * (total / len(x)) @ (b @ y.astype(np.float64)))


def _require_unit_length(name: str, vectors: np.ndarray, block: int) -> None:
    for start in range(0, len(vectors), block):
        norms = np.linalg.norm(np.asarray(vectors[start : start + block]), axis=1)
        bad = ~(np.abs(norms - 1) <= UNIT_TOLERANCE)  # NaN compares false
        if bad.any():
            row = start + int(np.argmax(bad))
            raise ValueError(f"{name} vector {row} has length {norms[row - start]}, not 1")
