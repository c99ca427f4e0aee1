"""Anderson acceleration of a fixed-point map (type II; Walker & Ni 2011, eq. 2.1), kept from running away.

Belongs here: combining past steps. Does not: the map.
"""

from dataclasses import dataclass, field

import numpy as np

_MEMORY = 8  # past steps that are combined
_RUN_AWAY = 30.0  # times the least error so far, beyond which past steps are forgotten
_RIDGE = 1e-10


@dataclass
class Anderson:
    """The steps so far.

    Attributes:
        steps: The last points: each `[m]`, float64.
        residuals: What the map would have added at each.
        best: The point with the least error, its residual, and that error.
    """

    steps: list[np.ndarray] = field(default_factory=list)
    residuals: list[np.ndarray] = field(default_factory=list)
    best: tuple[np.ndarray, np.ndarray, float] | None = None

    def next(self, point: np.ndarray, residual: np.ndarray, error: float, weight: np.ndarray) -> np.ndarray:
        """The point whose residual would be least if the map were linear.

        Args:
            point: Where the map was evaluated: `[m]`.
            residual: What it would add there.
            error: How far that is from a fixed point, by the measure that decides.
            weight: How much each component of a residual counts: `[m]`.
        """
        if self.best is None or error < self.best[2]:
            self.best = point.copy(), residual.copy(), error
        elif not error <= _RUN_AWAY * self.best[2]:
            # The map is not linear enough here: take its own step from the best point, which always gains.
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
        """For a file: steps and residuals, each `[remembered, m]`, and the best point with its error."""
        found = {"steps": np.array(self.steps), "residuals": np.array(self.residuals)}
        if self.best is not None:
            found |= {"best": np.array(self.best[:2]), "best_error": np.array(self.best[2])}
        return found

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> "Anderson":
        """From a file, as `arrays` gives them: `[remembered, m]`."""
        best = (*arrays["best"], float(arrays["best_error"])) if "best" in arrays else None
        return cls(list(arrays["steps"]), list(arrays["residuals"]), best)
