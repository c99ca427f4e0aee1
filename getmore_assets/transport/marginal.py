"""The constraint on the plan's target marginal col: equal to b, or near b at a penalty.

Belongs here: a plan's error against the constraint, Sinkhorn's update, the objective's values. Does not: the loop.

Exact: col = b, and the update of the target potential is g ← g + ε log(b / col). Relaxed: the penalty τ·KL(col | b)
replaces the constraint (Chizat et al. 2018, section 4), the update is damped, g ← τ/(τ + ε) · (g + ε log(b / col)), and
the optimal marginal at g is b·exp(-g/τ).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TargetMarginal:
    """The constraint on the target marginal.

    Attributes:
        b: Target weights: `[m]`, float64, summing to 1.
        relaxation: τ, absolute; None for col = b.
    """

    b: np.ndarray
    relaxation: float | None

    def error(self, g: np.ndarray, col: np.ndarray) -> float:
        """Return the L1 distance of a plan's target marginal col (`[m]`) from the optimal marginal at g (`[m]`)."""
        optimal = self.b if self.relaxation is None else self.b * np.exp(-g / self.relaxation)
        return float(np.abs(col - optimal).sum())

    def residual(self, g: np.ndarray, col: np.ndarray, epsilon: float) -> np.ndarray:
        """Return the change of g in the update: `[m]`; 0 where b is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(self.b > 0, epsilon * (np.log(self.b) - np.log(np.maximum(col, 1e-300))), 0.0)
        if self.relaxation is None:
            # A constant shift of g changes nothing: keep it out of the acceleration's fit.
            return np.where(self.b > 0, step - self.b @ step, 0.0)
        moved = self.relaxation / (self.relaxation + epsilon) * (g + step)
        # A constant shift does not change the plan, and the damped update converges to the optimal shift slowly. So
        # choose the shift at which the optimal marginal sums to 1 (Séjourné et al. 2022, section 3).
        with np.errstate(divide="ignore"):
            shift = self.relaxation * float(np.logaddexp.reduce(np.log(self.b) - moved / self.relaxation))
        return np.where(self.b > 0, moved + shift - g, 0.0)

    def centred(self, g: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shift g (`[m]`) and f (`[n]`, float32) so that Σ_j b_j g_j = 0, if only f + g is determined."""
        if self.relaxation is not None:
            return g, f
        shift = float(self.b @ g)
        return np.where(self.b > 0, g - shift, 0.0), (f + np.float32(shift)).astype(np.float32)

    def dual(self, mean_f: float, g: np.ndarray) -> float:
        """Return the dual's value, from Σ_i a_i f_i and the target potential g (`[m]`)."""
        if self.relaxation is None:
            return mean_f + float(self.b @ g)
        return mean_f - self.relaxation * float(self.b @ np.expm1(-g / self.relaxation))

    def values(self, mean_f: float, g: np.ndarray, col: np.ndarray) -> tuple[float, float]:
        """Return the dual and the primal value of a plan whose candidate marginal is exact.

        The primal of P = a b exp((f + g - C)/ε) is Σ P C + ε KL(P | a ⊗ b) = Σ a f + Σ col g, plus the penalty.

        Args:
            mean_f: Σ_i a_i f_i.
            g: Target potential: `[m]`.
            col: The plan's target marginal: `[m]`.
        """
        if self.relaxation is None:
            return self.dual(mean_f, g), mean_f + float(col @ g)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_ratio = np.where(self.b > 0, np.log(col) - np.log(self.b), 0.0)
        penalty = self.relaxation * float((col * log_ratio - col + self.b).sum())
        return self.dual(mean_f, g), mean_f + float(col @ g) + penalty
