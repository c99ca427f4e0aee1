"""The state of a solve, from which it resumes exactly as if it had not stopped.

Belongs here: the loop's variables, and saving them to a file. Does not: the loop (`solver.py`).
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from getmore_assets.transport.anderson import Anderson

_RATES = (0.02, 0.9)  # a measured rate is clipped to this range
_NUMBERS = ("stage", "passes", "entry", "error", "rate", "expected", "precise")


@dataclass
class State:
    """The variables of the loop.

    Attributes:
        g: Target potential: `[m]`.
        stage: Number of the current stage.
        passes: Passes in this stage.
        entry: Error of the first pass of this stage.
        error: Error of the last pass of this stage.
        rate: Error of the last pass, divided by that of the pass before it in the same stage.
        expected: Expected error of the next pass; NaN where unknown.
        precise: Whether low-precision passes no longer lower the error.
        anderson: Steps in this stage.
        history: (candidates, ε, error) of all passes.
    """

    g: np.ndarray
    stage: int = 0
    passes: int = 0
    entry: float = float("nan")
    error: float = float("nan")
    rate: float = 0.5
    expected: float = float("nan")
    precise: bool = False
    anderson: Anderson = field(default_factory=Anderson)
    history: list[tuple[int, float, float]] = field(default_factory=list)

    def after_pass(self, size: int, eps: float, error: float) -> None:
        """Update the state after a pass."""
        if self.passes:
            self.rate = float(np.clip(error / self.error, *_RATES))
        else:
            self.entry = error
        self.error, self.expected = error, error * self.rate
        self.passes += 1
        self.history.append((size, eps, error))

    def enter(self, stage: int, expected: float) -> None:
        """Enter another stage with the present g."""
        self.stage, self.passes, self.anderson, self.expected = stage, 0, Anderson(), expected

    def save(self, path: Path) -> None:
        """Save the state atomically."""
        partial = path.with_suffix(".partial.npz")
        arrays = {f"anderson_{name}": array for name, array in self.anderson.arrays().items()}
        arrays |= {name: np.array(getattr(self, name)) for name in _NUMBERS}
        arrays |= {"g": self.g, "history": np.array(self.history).reshape(-1, 3)}
        np.savez(partial, allow_pickle=False, **arrays)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "State":
        """Load a saved state."""
        with np.load(path, allow_pickle=False) as stored:
            kept = {k.removeprefix("anderson_"): stored[k] for k in stored.files if k.startswith("anderson_")}
            history = [(int(n), float(e), float(r)) for n, e, r in stored["history"]]
            numbers = {name: stored[name].item() for name in _NUMBERS}
            return cls(g=stored["g"], anderson=Anderson.of(kept), history=history, **numbers)
