"""The kernel of the first candidates, kept from pass to pass: a pass over them is two matrix-vector products.

Belongs here: the kept kernel, and a sweep over it. Does not: the memory for it (`plan.py`), or the product that it is
computed from (`cpu.py`).

With s_ij = (κ x̂_i·ŷ_j - v_j)/ε, the kernel K_ij = exp(s_ij - max_j s_ij) depends only on the problem and ε. A pass at g
weights its columns by w_j = exp(log b_j + g_j/ε):

    r_i = Σ_j K_ij w_j,   f_i = u_i - ε (max_j s_ij + log r_i),   col_j = w_j Σ_i (a_i / r_i) K_ij

K is float32 if all candidates fit. Otherwise it is in half precision, scaled by 2¹⁵ so that entries down to 2e-9 of a
row's largest keep 11 bits. Sums are float32 in both. Half precision changes f by 3e-5 ε (root mean square, at ε = 0.05
of the mean cost), a tenth of the change that the remaining marginal error causes.
"""

from collections.abc import Callable

import numpy as np
import torch

_SCALE = 2.0**15  # of half precision: its largest number is 65,504
# The largest log(max w / min w) for a kernel in half precision and in float32: beyond it, entries that are rounded to
# zero might matter.
WIDEST_HALF, WIDEST = 16.0, 70.0
Product = Callable[[torch.Tensor], torch.Tensor]
#: Takes start and stop of a slice of candidates, returns their x̂ and u.
Block = Callable[[int, int], tuple[np.ndarray, np.ndarray | float]]


class _Chunk:
    """The kernel of some candidates, tile by tile, with the largest s (`top`) and u of each."""

    def __init__(self, tiles: list[torch.Tensor], top: torch.Tensor, u: np.ndarray | float) -> None:
        self.tiles, self.top, self.u, self.rows = tiles, top, u, len(top)


class KeptKernel:
    """Chunks of the kernel at one ε; another ε frees them.

    Args:
        size: Limit of the kernel's memory, in bytes.
        n: Candidates of the problem.
        m: Targets of the problem.
        chunk_rows: Candidates in a chunk.

    Attributes:
        half: Whether the kernel is in half precision.
        rows: Number of candidates whose kernel is kept, counted from the first.
    """

    def __init__(self, size: int, n: int, m: int, chunk_rows: int) -> None:
        self._size, self._n, self._m, self._chunk_rows = size, n, m, chunk_rows
        self._epsilon: float | None = None
        self._empty(half=4 * n * m > size)

    def free(self) -> None:
        """Free all chunks."""
        self._epsilon = None
        self._empty(self.half)

    def _empty(self, half: bool) -> None:
        rows = self._size // ((2 if half else 4) * self._m)
        self.half, self.rows = half, self._n if rows >= self._n else rows // self._chunk_rows * self._chunk_rows
        self._chunks: dict[int, _Chunk] = {}

    def serves(self, log_w: np.ndarray, epsilon: float) -> bool:
        """Return whether the kernel is precise enough for the weights w, given as log w: `[m]`, -inf for a weight of 0.

        If half precision is not enough, the kernel becomes float32, for fewer candidates, until ε changes.
        """
        if epsilon != self._epsilon:
            self._epsilon = epsilon
            self._empty(half=4 * self._n * self._m > self._size)
        finite = log_w[np.isfinite(log_w)]
        width = float(finite.max() - finite.min())
        if self.half and width > WIDEST_HALF:
            self._empty(half=False)
        return self.rows > 0 and width <= WIDEST

    @property
    def _log_scale(self) -> float:
        """Return the logarithm of the factor by which every entry is scaled."""
        return float(np.log(_SCALE)) if self.half else 0.0

    def lacks(self, starts: range, n: int) -> bool:
        """Return whether a chunk to keep, among the first n candidates, has not been computed yet.

        Args:
            starts: The first candidate of each chunk.
            n: Number of candidates.
        """
        ends = ((start, min(start + starts.step, n)) for start in starts)
        return any(stop <= self.rows and not self._has(start, stop) for start, stop in ends)

    def _has(self, start: int, stop: int) -> bool:
        return start in self._chunks and self._chunks[start].rows >= stop - start

    def chunk(self, start: int, stop: int, block: Block, product: Product | None, tile_rows: int) -> _Chunk:
        """Return the chunk from `start` to `stop` or beyond; if it is missing, compute it by `product` (x̂ -> s)."""
        if not self._has(start, stop):
            assert product is not None
            self._chunks[start] = self._compute(*block(start, stop), product, tile_rows)
        return self._chunks[start]

    def _compute(self, x: np.ndarray, u: np.ndarray | float, product: Product, tile_rows: int) -> _Chunk:
        rows, top = torch.from_numpy(x), torch.empty(len(x))
        # Allocate all tiles before the products: tiles allocated between products would fragment the memory.
        kernel = torch.empty(len(x), self._m, dtype=torch.float16 if self.half else torch.float32)
        tiles = torch.split(kernel, tile_rows)
        for number, tile in enumerate(tiles):
            at = slice(number * tile_rows, number * tile_rows + len(tile))
            s = product(rows[at])
            torch.amax(s, 1, out=top[at])
            s.sub_(top[at, None] - self._log_scale)
            if self.half:
                tile.copy_(s.exp_())
            else:
                torch.exp(s, out=tile)
        return _Chunk(list(tiles), top, u)

    def sweep(
        self,
        chunk: _Chunk,
        count: int,
        log_w: np.ndarray,
        epsilon: float,
        weigh: Callable[[slice, np.ndarray], torch.Tensor],
    ) -> torch.Tensor:
        """Sweep over the first candidates of a chunk.

        Args:
            chunk: The chunk.
            count: Number of its candidates to sweep over.
            log_w: log w: `[m]`, float64.
            epsilon: Absolute.
            weigh: Takes a slice of the chunk's rows and their f (float64), returns their weights in the marginal
                (float32).

        Returns:
            The marginal: `[m]`, float64.
        """
        shift = float(log_w.max())
        w = torch.from_numpy(np.exp(log_w - shift).astype(np.float32))
        shift -= self._log_scale
        col, scratch, first = torch.zeros(len(w), dtype=torch.float64), torch.empty(chunk.tiles[0].shape), 0
        for tile in chunk.tiles:
            if first >= count:
                break
            part = slice(first, min(first + len(tile), count))
            kernel = tile[: part.stop - first]
            if self.half:
                kernel = scratch[: len(kernel)].copy_(kernel)
            rows = torch.mv(kernel, w)
            u = chunk.u[part] if isinstance(chunk.u, np.ndarray) else chunk.u
            exact = u - epsilon * (chunk.top[part].double() + rows.double().log() + shift).numpy()
            col += torch.mv(kernel.T, weigh(part, exact) / rows)
            first += len(tile)
        return col * w
