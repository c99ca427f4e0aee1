"""A pass on the CPU: each core works on its own tiles, which stay in its caches.

Belongs here: threads, tile shape, the matrix product. Does not: the interface and formulas (`passes/__init__.py`).

Torch's float32 product on x86 is MKL's, which uses its 256-bit kernels on processors that are not Intel's; oneDNN, in
the same torch, picks kernels by instruction set. So if torch has oneDNN, a pass packs the targets for it once (as
torch.compile does for a linear layer); else it uses the plain product. A barrier after every operation on a tile this
small costs as much as the operation, so each operation runs on one thread, and tiles run in parallel.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from getmore_assets.device import compute_dtype
from getmore_assets.transport.passes import OverRelaxation
from getmore_assets.transport.passes.kept import KeptKernel, Product
from getmore_assets.transport.problem import Problem

_TILE_BYTES = 2 * 2**20  # size of z in a tile
_MOST_ROWS, _STEP = 512, 16
Terms = np.ndarray | float  # u of some candidates, or one number for all
_CHUNK_TILES = 8  # tiles whose marginals one thread sums; fixed, so that the sum does not depend on the thread count


def tile_rows(m: int) -> int:
    """Return the number of candidates in a tile, for m targets."""
    return min(_MOST_ROWS, max(1, round(_TILE_BYTES / (4 * m * _STEP))) * _STEP)


def chunk_rows(m: int) -> int:
    """Return the number of candidates in a chunk, which one thread sweeps over, for m targets."""
    return tile_rows(m) * _CHUNK_TILES


class CpuPass:
    """A pass over candidates in memory or in a file. Its results are bit for bit the same on any number of threads.

    Args:
        problem: The problem whose candidates are swept over.
        threads: Tiles in parallel; None for torch's number of threads.
        rows: Candidates in a tile; None for as many as fit a core's cache.
        keep_mb: Memory for the kernel of the first candidates, which is kept from pass to pass, in MiB.
    """

    def __init__(
        self, problem: Problem, threads: int | None = None, rows: int | None = None, keep_mb: float = 0.0
    ) -> None:
        self.problem = problem
        self.threads = threads or torch.get_num_threads()
        self.rows = rows or tile_rows(problem.m)
        self._halves = has_onednn() and compute_dtype("auto", torch.device("cpu")) == torch.bfloat16
        size, chunk = int(keep_mb * 2**20), self.rows * _CHUNK_TILES
        self._kept = KeptKernel(size, problem.n, problem.m, chunk) if size else None
        self._pool = ThreadPoolExecutor(self.threads, "tile", initializer=lambda: torch.set_num_threads(1))

    def __call__(
        self, g: np.ndarray, epsilon: float, n: int, inertia: OverRelaxation | None = None, n_total: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `TilePass`."""
        problem, f = self.problem, np.empty(n, np.float32)

        def shares(first: int, exact: np.ndarray) -> torch.Tensor | float:
            """Store f of the candidates from `first` on, and return the sums of their rows of the plan."""
            at = slice(first, first + len(exact))
            if inertia is None:
                f[at] = exact
                return 1.0
            f[at] = relaxed = (1 - inertia.momentum) * inertia.old[at] + inertia.momentum * exact
            return torch.from_numpy(np.exp((relaxed - exact) / epsilon).astype(np.float32))

        def sweep(product: Product, start: int, x: np.ndarray, u: Terms, a: torch.Tensor) -> torch.Tensor:
            rows, col = torch.from_numpy(x), torch.zeros(problem.m, dtype=torch.float64)
            top, largest = torch.empty(len(rows)), torch.empty(len(rows))
            for tile in _tiles(len(rows), self.rows):
                z = product(rows[tile])
                torch.amax(z, 1, out=top[tile])
                torch.softmax(z, 1, out=z)
                torch.amax(z, 1, out=largest[tile])
                if inertia is None:
                    col += torch.mv(z.T, a[tile])
                else:
                    exact = _f(top[tile], largest[tile], epsilon, u[tile] if isinstance(u, np.ndarray) else u)
                    col += torch.mv(z.T, a[tile] * shares(start + tile.start, exact))
            if inertia is None:
                shares(start, _f(top, largest, epsilon, u))
            return col

        def product() -> Product:
            return self._packed(self._scaled(epsilon), torch.from_numpy(problem.bias(g, epsilon)))

        return f, self._sum(sweep, product, n, n_total, g, epsilon, shares)

    def low_precision(self, g: np.ndarray, epsilon: float, n: int, n_total: int | None = None) -> np.ndarray:
        """See `TilePass`: bfloat16 products, if the processor has instructions for them.

        The product is rounded to 8 bits. So the part that is the same for all targets, which cancels in the soft-max,
        is subtracted beforehand.
        """
        if not self._halves:
            return self(g, epsilon, n, n_total=n_total)[1]
        problem = self.problem
        bias = torch.from_numpy(problem.bias(g, epsilon))

        def sweep(product: Product, _: int, x: np.ndarray, _u: Terms, a: torch.Tensor) -> torch.Tensor:
            rows, col = torch.from_numpy(x).bfloat16(), torch.zeros(problem.m, dtype=torch.float64)
            z = torch.empty(self.rows, problem.m)
            for tile in _tiles(len(rows), self.rows):
                p = z[: tile.stop - tile.start]
                torch.add(product(rows[tile]), bias, out=p)
                torch.softmax(p, 1, out=p)
                col += torch.mv(p.T, a[tile])
            return col

        def product() -> Product:
            apart = (problem.y - problem.y.mean(0)) * np.float32(problem.kappa / epsilon)
            return self._packed(torch.from_numpy(apart).bfloat16(), None)

        return self._sum(sweep, product, n, n_total, g, epsilon, lambda _, _exact: 1.0)

    def free(self) -> None:
        """Free the kernel that is kept from pass to pass; the next pass computes it again."""
        if self._kept is not None:
            self._kept.free()

    def _scaled(self, epsilon: float) -> torch.Tensor:
        return torch.from_numpy(self.problem.y * np.float32(self.problem.kappa / epsilon))

    def _packed(self, y: torch.Tensor, bias: torch.Tensor | None) -> Product:
        """Return the product with packed targets; a thread of the pool packs them.

        In the calling thread torch would open a parallel region, whose other threads then spin for a fifth of a second,
        which is thirty times the duration of a pass over a small domain.
        """
        return self._pool.submit(_product, y, bias, self.rows).result()

    def _sum(
        self,
        sweep: Callable[[Product, int, np.ndarray, Terms, torch.Tensor], torch.Tensor],
        product: Callable[[], Product],
        n: int,
        n_total: int | None,
        g: np.ndarray,
        epsilon: float,
        shares: Callable[[int, np.ndarray], torch.Tensor | float],
    ) -> np.ndarray:
        """Return the marginals of all chunks of the first n candidates, added in order: `[m]`, float64.

        The marginal of a chunk comes from its kept kernel, or else from `sweep`, called with the result of `product`.
        """
        problem, chunk, weights = self.problem, self.rows * _CHUNK_TILES, self.problem.weights(n)
        starts, log_w, kept = range(0, n, chunk), problem.log_b + g / epsilon, self._kept
        if kept is not None and not kept.serves(log_w, epsilon):
            kept = None
        kernel = None
        if kept is not None and kept.lacks(starts, n):
            bias = torch.from_numpy(np.asarray(-problem.v / epsilon, np.float32))
            kernel = self._packed(self._scaled(epsilon), bias)
        computed = product() if kept is None or kept.rows < n else None

        @torch.inference_mode()
        def chunk_marginal(start: int) -> np.ndarray:
            stop = min(start + chunk, n)
            share = np.full(stop - start, 1 / (n_total or n)) if weights is None else weights[start:stop]
            a = torch.from_numpy(share.astype(np.float32))
            if kept is not None and stop <= kept.rows:
                kept_chunk = kept.chunk(start, stop, problem.block, kernel, self.rows)

                def weigh(part: slice, exact: np.ndarray) -> torch.Tensor:
                    return a[part] * shares(start + part.start, exact)

                return kept.sweep(kept_chunk, stop - start, log_w, epsilon, weigh).numpy()
            assert computed is not None
            return sweep(computed, start, *problem.block(start, stop), a).numpy()

        total = np.zeros(problem.m)
        for col in self._pool.map(chunk_marginal, starts):
            total += col
        return total


def _tiles(count: int, rows: int) -> list[slice]:
    return [slice(start, min(start + rows, count)) for start in range(0, count, rows)]


def _f(top: torch.Tensor, largest: torch.Tensor, epsilon: float, u: np.ndarray | float) -> np.ndarray:
    """Return f of each row, u - ε log Σ exp z, where the sum is exp(max z) / max p of the soft-max p."""
    return u - epsilon * (top.double() - largest.double().log()).numpy()


def _product(y: torch.Tensor, bias: torch.Tensor | None, rows: int) -> Product:
    """Return the map x -> x yᵀ + bias, for tiles of about `rows` rows."""
    if has_onednn():
        packed = torch.ops.mkldnn._reorder_linear_weight(y, rows)
        return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")  # type: ignore[no-any-return]
    assert bias is not None
    transposed = y.T.contiguous()
    return lambda x: torch.addmm(bias, x, transposed)


def has_onednn() -> bool:
    """Return whether torch has oneDNN's packed product."""
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith(("AVX2", "AVX512"))
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )
