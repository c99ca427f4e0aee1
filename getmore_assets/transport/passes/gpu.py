"""A pass on a GPU: large tiles, the candidates kept on the card where they fit.

Belongs here: what lies on the card. Does not: what is computed (`passes/__init__.py`). Products are float32 without
TensorFloat-32, whose three lost digits would show in the marginal.
"""

import numpy as np
import torch

from getmore_assets.transport.passes import Inertia, f_and_shares
from getmore_assets.transport.problem import Problem

_KEPT_SHARE = 0.6  # of the card's free memory that candidates may fill


class GpuPass:
    """A pass in torch's own operations, on any device.

    Args:
        problem: What to sweep over.
        device: Where.
        memory_mb: Memory of a tile, in MiB.
    """

    def __init__(self, problem: Problem, device: torch.device, memory_mb: int) -> None:
        self.problem, self._device = problem, device
        self.rows = max(1, memory_mb * 2**20 // (4 * problem.m))
        self._y = torch.from_numpy(problem.y).to(device).T.contiguous()
        self._kept: dict[int, tuple[torch.Tensor, np.ndarray | float]] = {}
        self._keeps = self._fits(problem.n * problem.y.shape[1] * 4)

    def __call__(
        self, g: np.ndarray, epsilon: float, n: int, inertia: Inertia | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `TilePass`."""
        problem = self.problem
        y = self._y * (problem.kappa / epsilon)
        bias = torch.from_numpy(problem.bias(g, epsilon)).to(self._device)
        weights = problem.weights(n)
        f = np.empty(n, np.float32)
        col = torch.zeros(problem.m, dtype=torch.float64, device=self._device)
        tf32, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, False
        try:
            with torch.inference_mode():
                for start in range(0, n, self.rows):
                    stop = min(start + self.rows, n)
                    x, u = self._block(start, min(start + self.rows, problem.n))
                    z = torch.addmm(bias, x[: stop - start], y)
                    u = u[: stop - start] if isinstance(u, np.ndarray) else u
                    f_tile, shares = f_and_shares(z, epsilon, u, inertia, slice(start, stop))
                    f[start:stop] = f_tile.cpu().numpy()
                    a = np.full(stop - start, 1 / n) if weights is None else weights[start:stop]
                    on_device = torch.from_numpy(a).to(self._device)
                    col += z.T @ (on_device if shares is None else on_device * shares).float()
        finally:
            torch.backends.cuda.matmul.allow_tf32 = tf32
        return f, col.cpu().numpy()

    def _fits(self, wanted: int) -> bool:
        if self._device.type != "cuda":
            return False
        return wanted < _KEPT_SHARE * torch.cuda.mem_get_info(self._device)[0]

    def _block(self, start: int, stop: int) -> tuple[torch.Tensor, np.ndarray | float]:
        if start not in self._kept:
            x, u = self.problem.block(start, stop)
            block = torch.from_numpy(x).to(self._device), u
            if not self._keeps:
                return block
            self._kept[start] = block
        return self._kept[start]
