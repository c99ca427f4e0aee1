"""Anderson acceleration of a fixed-point map (type II; Walker & Ni 2011, eq. 2.1), with restarts against divergence.

Belongs here: combining past steps. Does not: the map.
"""

from dataclasses import dataclass, field

import numpy as np

_MEMORY = 8  # past steps that are combined
_RUN_AWAY = 30.0  # restart when the error exceeds the least error so far by this factor
_RIDGE = 1e-10


@dataclass
class Anderson:
    """The history of the iteration, and the extrapolation from it.

    Attributes:
        steps: The last points: each `[m]`, float64.
        residuals: The map's update at each of these points: `[m]`.
        best: The point with the least error, its residual and its error.
    """

    steps: list[np.ndarray] = field(default_factory=list)
    residuals: list[np.ndarray] = field(default_factory=list)
    best: tuple[np.ndarray, np.ndarray, float] | None = None

    def next(self, point: np.ndarray, residual: np.ndarray, error: float, weight: np.ndarray) -> np.ndarray:
        """Return the point whose residual would be least if the map were linear: `[m]`.

        Args:
            point: Where the map was evaluated: `[m]`.
            residual: The map's update at the point: `[m]`.
            error: The solver's convergence error at the point.
            weight: Weight of each component of a residual: `[m]`.
        """
        if self.best is None or error < self.best[2]:
            self.best = point.copy(), residual.copy(), error
        elif not error <= _RUN_AWAY * self.best[2]:
            # The map is not linear enough here: take the plain step from the best point, which always lowers the error.
            point, residual, _ = self.best
            self.steps, self.residuals = [], []
        self.steps = [*self.steps[-_MEMORY:], point.copy()]
        self.residuals = [*self.residuals[-_MEMORY:], residual]
        if len(self.steps) == 1:
            return np.asarray(point + residual)
        root = np.sqrt(weight)[:, None]
        d_residual = np.diff(np.array(self.residuals), axis=0).T
        d_step = np.diff(np.array(self.steps), axis=0).T
        seen = d_residual * root
        gram = seen.T @ seen
        gram += np.eye(len(gram)) * _RIDGE * max(float(np.trace(gram)), 1e-300)
        mix = np.linalg.solve(gram, seen.T @ (residual * root[:, 0]))
        return np.asarray(point + residual - (d_step + d_residual) @ mix)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the history as arrays for a file: steps and residuals, each `[steps, m]`; the best point and error."""
        arrays = {"steps": np.array(self.steps), "residuals": np.array(self.residuals)}
        if self.best is not None:
            arrays |= {"best": np.array(self.best[:2]), "best_error": np.array(self.best[2])}
        return arrays

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> "Anderson":
        """Restore the history from the result of `arrays`: `[steps, m]` each."""
        best = (*arrays["best"], float(arrays["best_error"])) if "best" in arrays else None
        return cls(list(arrays["steps"]), list(arrays["residuals"]), best)
