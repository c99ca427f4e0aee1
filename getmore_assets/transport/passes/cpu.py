"""A pass on the CPU: each core takes tiles of its own that stay in its cache.

Belongs here: threads, tile shape, the matrix product. Does not: what is computed (`passes/__init__.py`).

Torch's float32 product on x86 is MKL's, which on processors of other makers takes its 256-bit kernels; oneDNN, in the
same torch, picks them by instruction set. So where torch has oneDNN the targets are packed for it once a pass (what
torch.compile makes of a linear layer too), and elsewhere the plain product is taken. A barrier after every operation on
a tile this small costs as much as the operation, so operations run on one thread and tiles run side by side.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from getmore_assets.transport.passes import Inertia, f_and_shares
from getmore_assets.transport.problem import Problem

_TILE_BYTES = 2**20  # of z: what a core's second-level cache holds
_MOST_ROWS, _STEP = 4096, 16
_CHUNK_TILES = 8  # tiles whose marginals are summed by one thread; fixed, so that the sum is the same on any number


def tile_rows(m: int) -> int:
    """Candidates in a tile of m targets."""
    return min(_MOST_ROWS, max(1, round(_TILE_BYTES / (4 * m * _STEP))) * _STEP)


class CpuPass:
    """A pass over candidates in memory or in a file. Its results are bit for bit the same on any number of threads.

    Args:
        problem: What to sweep over.
        threads: How many tiles side by side; as many as torch would use.
        rows: Candidates in a tile; as many as fit a core's cache.
    """

    def __init__(self, problem: Problem, threads: int | None = None, rows: int | None = None) -> None:
        self.problem = problem
        self.threads = threads or torch.get_num_threads()
        self.rows = rows or tile_rows(problem.m)
        self._pool = ThreadPoolExecutor(self.threads, "tile", initializer=lambda: torch.set_num_threads(1))

    def __call__(
        self, g: np.ndarray, epsilon: float, n: int, inertia: Inertia | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `TilePass`."""
        problem, chunk = self.problem, self.rows * _CHUNK_TILES
        product = _Product(problem.y, problem.kappa / epsilon, problem.bias(g, epsilon), self.rows)
        weights = problem.weights(n)
        f = np.empty(n, np.float32)

        @torch.inference_mode()
        def sweep(first: int) -> np.ndarray:
            col = torch.zeros(problem.m, dtype=torch.float64)
            for start in range(first, min(first + chunk, n), self.rows):
                stop = min(start + self.rows, n, first + chunk)
                x, u = problem.block(start, stop)
                z = product(torch.from_numpy(x))
                f_tile, shares = f_and_shares(z, epsilon, u, inertia, slice(start, stop))
                f[start:stop] = f_tile.numpy()
                a = torch.full((stop - start,), 1 / n) if weights is None else torch.from_numpy(weights[start:stop])
                col += z.T @ (a if shares is None else a * shares).float()
            return col.numpy()

        total = np.zeros(problem.m)
        for col in self._pool.map(sweep, range(0, n, chunk)):
            total += col
        return f, total


class _Product:
    """z = x (scale · y)ᵀ + bias, for tiles of about `rows` rows."""

    def __init__(self, y: np.ndarray, scale: float, bias: np.ndarray, rows: int) -> None:
        scaled = torch.from_numpy(y * np.float32(scale))
        self._bias = torch.from_numpy(bias)
        self._packed = has_onednn()
        self._y = torch.ops.mkldnn._reorder_linear_weight(scaled, rows) if self._packed else scaled.T.contiguous()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._packed:
            z: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._y, self._bias, "none", [], "")
            return z
        return torch.addmm(self._bias, x, self._y)


def has_onednn() -> bool:
    """Whether torch has the packed product."""
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith(("AVX2", "AVX512"))
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )
