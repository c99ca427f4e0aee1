"""The transport problem: candidates, targets, weights, cost.

Belongs here: what a cost is, and refusing numbers that cannot be solved with. Does not: solving.

Every cost here is C_ij = u_i + v_j - κ x̂_i·ŷ_j, so that one matrix product of x̂ and ŷ serves all of them:

    unit         |x/|x| - y/|y||²      u = 1, v = 1, κ = 2, x̂ = x/|x|, ŷ = y/|y|
    cosine       1 - cos(x, y)         u = 0, v = 1, κ = 1, x̂ = x/|x|, ŷ = y/|y|
    sqeuclidean  |x - y|²              u = |x̂|², v = |ŷ|², κ = 2, x̂ = x - ȳ, ŷ = y - ȳ  (ȳ: the mean target, so
                                       that float32 products of long vectors lose less)
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from getmore_assets.transport.rows import Rows

Cost = Literal["unit", "cosine", "sqeuclidean"]
_BLOCK = 8192
_LONGEST = 1e15  # an entry of a vector


class BadVectorError(ValueError):
    """A vector or a weight that no plan can be computed with.

    Attributes:
        side: candidate or target.
        row: Its row.
        what: What is wrong with it.
    """

    def __init__(self, side: str, row: int, what: str) -> None:
        super().__init__(f"{side} {row} {what}")
        self.side, self.row, self.what = side, row, what


@dataclass(frozen=True)
class Problem:
    """Candidates x (weights a) against targets y (weights b).

    Attributes:
        x: Candidates: `[n, d]`, float32. For every k the first k must be a random sample of all.
        y: Targets as the product takes them (ŷ): `[m, d]`, float32.
        log_b: Log of target weights: `[m]`, float64; -inf where a target has none.
        v: The cost's part of each target: `[m]`, float64.
        a: Candidate weights: `[n]`, float64, summing to 1; None for 1/n each.
        cost: Which cost.
        centre: ȳ: `[d]`, float32; zero but for sqeuclidean.
        mean_cost: Σ_ij a_i b_j C_ij: the unit of a relative ε.
    """

    x: Rows
    y: np.ndarray
    log_b: np.ndarray
    v: np.ndarray
    a: np.ndarray | None
    cost: Cost
    centre: np.ndarray
    mean_cost: float

    @property
    def n(self) -> int:
        """Candidates."""
        return int(self.x.shape[0])

    @property
    def m(self) -> int:
        """Targets."""
        return len(self.y)

    @property
    def b(self) -> np.ndarray:
        """Target weights: `[m]`, float64, summing to 1."""
        weights: np.ndarray = np.exp(self.log_b)
        return weights

    @property
    def kappa(self) -> float:
        """The factor of the product in the cost."""
        return 1.0 if self.cost == "cosine" else 2.0

    def block(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | float]:
        """x̂ (`[stop - start, d]`, float32) and u (`[stop - start]`, float64, or one number) of some candidates."""
        return _prepared(np.asarray(self.x[start:stop], np.float32), self.cost, self.centre)

    def bias(self, g: np.ndarray, epsilon: float) -> np.ndarray:
        """What a pass adds to κ x̂·ŷ/ε: log b_j + (g_j - v_j)/ε, `[m]`, float32."""
        return np.asarray(self.log_b + (g - self.v) / epsilon, np.float32)

    def weights(self, n: int) -> np.ndarray | None:
        """Weights of the first n candidates among themselves: `[n]`, float64; None for 1/n each.

        Raises:
            ValueError: They weigh nothing.
        """
        if self.a is None:
            return None
        total = float(self.a[:n].sum())
        if total <= 0:
            raise ValueError(f"the first {n} candidates weigh nothing")
        return np.asarray(self.a[:n] / total)

    def only(self, n: int) -> "Problem":
        """The problem of the first n candidates; its unit stays that of all."""
        return Problem(self.x[:n], self.y, self.log_b, self.v, self.weights(n), self.cost, self.centre, self.mean_cost)


def pose(
    x: Rows, y: np.ndarray, b: np.ndarray | None = None, a: np.ndarray | None = None, cost: Cost = "unit"
) -> Problem:
    """Look at every number once, and put the problem in the form that passes take.

    Args:
        x: Candidates: `[n, d]`, float32, read in blocks.
        y: Targets: `[m, d]`, float32.
        b: Target weights: `[m]`, not negative; None for equal ones. Scaled to sum to 1.
        a: Candidate weights: `[n]`, likewise.
        cost: unit, cosine or sqeuclidean.

    Raises:
        BadVectorError: A vector holds NaN or infinity, has no direction (all zero) where the cost needs one, or is too
            long for float32; a weight is negative or not finite.
        ValueError: No candidates, no targets, or other widths or counts than wanted.
    """
    y = np.asarray(y, np.float32)
    if not x.shape[0] or not len(y) or x.shape[1] != y.shape[1]:
        raise ValueError(f"candidates of shape {tuple(x.shape)} against targets of shape {y.shape}")
    weights_b = _distribution("target", b, len(y))
    weights_a = None if a is None else _distribution("candidate", a, int(x.shape[0]))
    _require_usable("target", y, 0, cost)
    centre = (weights_b @ y).astype(np.float32) if cost == "sqeuclidean" else np.zeros(y.shape[1], np.float32)
    y_hat, v = _prepared(y, cost, centre)
    v = v if cost == "sqeuclidean" else np.ones(len(y))
    mean_x, mean_u = np.zeros(y.shape[1]), 0.0
    for start in range(0, int(x.shape[0]), _BLOCK):
        raw = np.asarray(x[start : start + _BLOCK], np.float32)
        _require_usable("candidate", raw, start, cost)
        x_hat, u = _prepared(raw, cost, centre)
        share = np.full(len(raw), 1 / x.shape[0]) if weights_a is None else weights_a[start : start + len(raw)]
        mean_x += share @ x_hat.astype(np.float64)
        mean_u += float((share * u).sum())
    kappa = 1.0 if cost == "cosine" else 2.0
    mean_cost = mean_u + float(weights_b @ v) - kappa * float(mean_x @ (weights_b @ y_hat.astype(np.float64)))
    with np.errstate(divide="ignore"):
        log_b = np.log(weights_b)
    return Problem(x, y_hat, log_b, np.asarray(v), weights_a, cost, centre, mean_cost)


def _prepared(raw: np.ndarray, cost: Cost, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray | float]:
    if cost == "sqeuclidean":
        moved = raw - centre
        return moved, np.einsum("ij,ij->i", moved, moved, dtype=np.float64)
    # Scaled by the largest entry first: the squares of very long or very short vectors would leave float32.
    largest = np.abs(raw).max(axis=1, keepdims=True)
    scaled = raw / largest
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True), 1.0 if cost == "unit" else 0.0


def _require_usable(side: str, raw: np.ndarray, start: int, cost: Cost) -> None:
    largest = np.abs(raw).max(axis=1)
    if cost == "sqeuclidean":
        unusable = largest > _LONGEST, "is too long: its squared length leaves float32"
    else:
        unusable = largest == 0, "is all zero and so has no direction"
    for bad, what in ((~np.isfinite(largest), "holds NaN or infinity"), unusable):
        if bad.any():
            raise BadVectorError(side, start + int(np.argmax(bad)), what)


def _distribution(side: str, weights: np.ndarray | None, count: int) -> np.ndarray:
    if weights is None:
        return np.full(count, 1 / count)
    weights = np.asarray(weights, np.float64)
    if weights.shape != (count,):
        raise ValueError(f"{len(weights)} weights for {count} {side}s")
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise BadVectorError(side, row, f"has weight {weights[row]}")
    if not weights.sum():
        raise ValueError(f"the {side}s weigh nothing")
    scaled: np.ndarray = weights / weights.sum()
    return scaled
