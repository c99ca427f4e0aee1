"""A pass on a GPU: large tiles; candidates stay in the GPU's memory if they fit.

Belongs here: the use of the GPU's memory. Does not: the interface and formulas (`passes/__init__.py`). Products are
float32. Only low-precision passes use TensorFloat-32, whose three lost digits would show in the marginal.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from getmore_assets.transport.passes import OverRelaxation
from getmore_assets.transport.problem import Problem

_KEPT_SHARE = 0.6  # candidates may fill this share of the card's free memory


class GpuPass:
    """A pass in torch's own operations, on any device.

    Args:
        problem: The problem whose candidates are swept over.
        device: Where the pass runs.
        memory_mb: Memory limit of a pass, in MiB; a tile takes half of it (see `plan.require_room`).
    """

    def __init__(self, problem: Problem, device: torch.device, memory_mb: int) -> None:
        self.problem, self._device = problem, device
        m, d = problem.y.shape
        self.rows = max(1, memory_mb * 2**20 // 2 // (4 * (m + d)))  # a tile has vectors and rows of the plan
        self._y = torch.from_numpy(problem.y).to(device).T.contiguous()
        self._kept: dict[int, tuple[torch.Tensor, np.ndarray | float]] = {}
        self._keeps = self._fits(problem.n * problem.y.shape[1] * 4)

    def __call__(
        self, g: np.ndarray, epsilon: float, n: int, inertia: OverRelaxation | None = None, n_total: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `TilePass`."""
        f = np.empty(n, np.float32)
        with _tf32(False):
            return f, self._sweep(g, epsilon, n, f, inertia, n_total)

    def low_precision(self, g: np.ndarray, epsilon: float, n: int, n_total: int | None = None) -> np.ndarray:
        """See `TilePass`."""
        with _tf32(True):
            return self._sweep(g, epsilon, n, np.empty(n, np.float32), None, n_total)

    def _sweep(
        self, g: np.ndarray, epsilon: float, n: int, f: np.ndarray, inertia: OverRelaxation | None, n_total: int | None
    ) -> np.ndarray:
        problem = self.problem
        y = self._y * (problem.kappa / epsilon)
        bias = self._moved(problem.bias(g, epsilon))
        weights = problem.weights(n)
        col = torch.zeros(problem.m, dtype=torch.float64, device=self._device)
        with torch.inference_mode():
            for start in range(0, n, self.rows):
                stop = min(start + self.rows, n)
                x, u = self._block(start, min(start + self.rows, problem.n))
                z = torch.addmm(bias, x[: stop - start], y)
                top = z.amax(1, keepdim=True)
                z.sub_(top).exp_()
                total = z.sum(1)
                exact = -epsilon * (top[:, 0].double() + total.double().log()).cpu().numpy()
                exact += u[: stop - start] if isinstance(u, np.ndarray) else u
                a = np.full(stop - start, 1 / (n_total or n)) if weights is None else weights[start:stop]
                if inertia is None:
                    f[start:stop] = exact
                else:
                    relaxed = (1 - inertia.momentum) * inertia.old[start:stop] + inertia.momentum * exact
                    f[start:stop], a = relaxed, a * np.exp((relaxed - exact) / epsilon)
                col += (self._moved(a.astype(np.float32)) / total) @ z
        marginal: np.ndarray = col.cpu().numpy()
        return marginal

    def _moved(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)

    def _fits(self, size: int) -> bool:
        if self._device.type != "cuda":
            return False
        return size < _KEPT_SHARE * torch.cuda.mem_get_info(self._device)[0]

    def _block(self, start: int, stop: int) -> tuple[torch.Tensor, np.ndarray | float]:
        if start not in self._kept:
            x, u = self.problem.block(start, stop)
            block = self._moved(x), u
            if not self._keeps:
                return block
            self._kept[start] = block
        return self._kept[start]


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    before, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
