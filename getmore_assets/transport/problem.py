"""The transport problem: candidates, targets, weights, cost.

Belongs here: the costs, and refusing vectors and weights that a solve cannot use. Does not: solving (`solver.py`).

Every cost here is C_ij = u_i + v_j - κ x̂_i·ŷ_j, so that one matrix product of x̂ and ŷ serves all of them:

    unit         |x/|x| - y/|y||²      u = 1, v = 1, κ = 2, x̂ = x/|x|, ŷ = y/|y|
    cosine       1 - cos(x, y)         u = 0, v = 1, κ = 1, x̂ = x/|x|, ŷ = y/|y|
    sqeuclidean  |x - y|²              u = |x̂|², v = |ŷ|², κ = 2, x̂ = x - ȳ, ŷ = y - ȳ  (ȳ: the mean target, so
                                       that float32 products of long vectors lose less)
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from getmore_assets.transport.rows import Rows

Cost = Literal["unit", "cosine", "sqeuclidean"]
_BLOCK = 8192
_LONGEST = 1e15  # largest absolute entry of a vector
_SHORT, _LONG = 1e-20, 1e20  # bounds of squared lengths that float32 represents safely
_UNIT = 1e-6  # a length that differs from 1 by no more counts as 1
_KAPPA = {"unit": 2.0, "cosine": 1.0, "sqeuclidean": 2.0}
_CONSTANT = {"unit": 1.0, "cosine": 0.0, "sqeuclidean": 0.0}  # the part of u that is the same for all candidates


class BadVectorError(ValueError):
    """A vector or weight for which no plan can be computed.

    Attributes:
        side: candidate or target.
        row: Row of the vector or weight.
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
        y: The transformed targets ŷ of the cost's product: `[m, d]`, float32.
        log_b: Log of target weights: `[m]`, float64; -inf for weight 0.
        v: The term v_j of the cost: `[m]`, float64.
        a: Candidate weights: `[n]`, float64, summing to 1; None for 1/n each.
        cost: unit, cosine or sqeuclidean.
        scale: 1/|x| of each candidate: `[n]`, float32; None if all are 1 or the cost does not need it.
        centre: ȳ: `[d]`, float32, for sqeuclidean; else None.
        mean_cost: Σ_ij a_i b_j C_ij: the unit of a relative ε.
    """

    x: Rows
    y: np.ndarray
    log_b: np.ndarray
    v: np.ndarray
    a: np.ndarray | None
    cost: Cost
    scale: np.ndarray | None
    centre: np.ndarray | None
    mean_cost: float

    @property
    def n(self) -> int:
        """Number of candidates."""
        return int(self.x.shape[0])

    @property
    def m(self) -> int:
        """Number of targets."""
        return len(self.y)

    @property
    def b(self) -> np.ndarray:
        """Target weights: `[m]`, float64, summing to 1."""
        weights: np.ndarray = np.exp(self.log_b)
        return weights

    @property
    def kappa(self) -> float:
        """The factor of the product in the cost."""
        return _KAPPA[self.cost]

    def block(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | float]:
        """Return x̂ (`[stop - start, d]`, float32) and u (`[stop - start]`, float64, or one number) of candidates."""
        # Torch needs writable memory, so a read-only memory map is copied.
        raw = np.require(np.asarray(self.x[start:stop]), np.float32, ["C", "W"])
        if self.centre is not None:
            moved = raw - self.centre
            return moved, _squares(moved)
        scaled = raw if self.scale is None else raw * self.scale[start:stop, None]
        return scaled, _CONSTANT[self.cost]

    def bias(self, g: np.ndarray, epsilon: float) -> np.ndarray:
        """Return the bias that a pass adds to κ x̂·ŷ/ε: log b_j + (g_j - v_j)/ε, `[m]`, float32."""
        return np.asarray(self.log_b + (g - self.v) / epsilon, np.float32)

    def weights(self, n: int) -> np.ndarray | None:
        """Return the weights of the first n candidates, scaled to sum to 1: `[n]`, float64; None for 1/n each.

        Raises:
            ValueError: The weights sum to 0.
        """
        if self.a is None:
            return None
        total = float(self.a[:n].sum())
        if total <= 0:
            raise ValueError(f"the first {n} candidates weigh nothing")
        return np.asarray(self.a[:n] / total)

    def only(self, n: int) -> "Problem":
        """Return the problem of the first n candidates; `mean_cost` stays that of all candidates."""
        scale = None if self.scale is None else self.scale[:n]
        return replace(self, x=self.x[:n], a=self.weights(n), scale=scale)


def build_problem(
    x: Rows, y: np.ndarray, b: np.ndarray | None = None, a: np.ndarray | None = None, cost: Cost = "unit"
) -> Problem:
    """Check all vectors and weights, and build the problem in the form that passes use.

    Args:
        x: Candidates: `[n, d]`, float32, read in blocks.
        y: Targets: `[m, d]`, float32.
        b: Target weights: `[m]`, not negative; None for equal weights. Scaled to sum to 1.
        a: Candidate weights: `[n]`, likewise.
        cost: unit, cosine or sqeuclidean.

    Raises:
        BadVectorError: A vector holds NaN or infinity, has no direction (all zero) where the cost needs one, or is too
            long for float32; a weight is negative or not finite.
        ValueError: There are no candidates or no targets, or widths or counts do not match.
    """
    y = np.asarray(y, np.float32)
    if not x.shape[0] or not len(y) or x.shape[1] != y.shape[1]:
        raise ValueError(f"candidates of shape {tuple(x.shape)} against targets of shape {y.shape}")
    weights_b = _distribution("target", b, len(y))
    weights_a = None if a is None else _distribution("candidate", a, int(x.shape[0]))
    centre = (weights_b @ y).astype(np.float32) if cost == "sqeuclidean" else None
    y_hat = y - centre if centre is not None else y * _inverse_lengths("target", y, 0)[:, None]
    v = np.ones(len(y)) if centre is None else _squares(y_hat)
    with np.errstate(divide="ignore"):
        log_b = np.log(weights_b)
    scale, mean_x, mean_u = _scan(x, weights_a, cost, centre)
    mean_product = float(mean_x @ (weights_b @ y_hat.astype(np.float64)))
    mean_cost = mean_u + float(weights_b @ v) - _KAPPA[cost] * mean_product
    return Problem(x, y_hat, log_b, v, weights_a, cost, scale, centre, mean_cost)


def _scan(
    x: Rows, a: np.ndarray | None, cost: Cost, centre: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray, float]:
    """Read all candidates once, and return their scale and the weighted means of x̂ and u."""
    n = int(x.shape[0])
    scale, mean_x, mean_u = np.ones(n, np.float32), np.zeros(x.shape[1]), _CONSTANT[cost]
    for start in range(0, n, _BLOCK):
        raw = np.asarray(x[start : start + _BLOCK], np.float32)
        share = np.full(len(raw), 1 / n) if a is None else a[start : start + len(raw)]
        if centre is None:
            inverse = _inverse_lengths("candidate", raw, start)
            scale[start : start + len(raw)] = inverse
            mean_x += (share * inverse).astype(np.float32) @ raw
        else:
            _require_usable("candidate", raw, start, long=True)
            moved = raw - centre
            mean_x += share.astype(np.float32) @ moved
            mean_u += float(share @ _squares(moved))
    return (None if np.abs(scale - 1).max() < _UNIT else scale), mean_x, mean_u


def _squares(vectors: np.ndarray) -> np.ndarray:
    squares: np.ndarray = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return squares


def _inverse_lengths(side: str, raw: np.ndarray, start: int) -> np.ndarray:
    """Return 1/|x| of each row, float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", raw, raw)
    if ((squares > _SHORT) & (squares < _LONG)).all():  # NaN compares false
        return np.asarray(1 / np.sqrt(squares))
    _require_usable(side, raw, start, long=False)
    largest = np.abs(raw).max(axis=1, keepdims=True)  # divide by it first: squares then stay within float32
    return np.asarray(1 / (largest[:, 0] * np.linalg.norm(raw / largest, axis=1)))


def _require_usable(side: str, raw: np.ndarray, start: int, long: bool) -> None:
    """Require finite rows that, with `long`, are short enough for a distance, or else are not all zero."""
    largest = np.abs(raw).max(axis=1)
    unusable = (
        (largest > _LONGEST, "is too long: its squared length exceeds float32")
        if long
        else (largest == 0, "is all zero and so has no direction")
    )
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
