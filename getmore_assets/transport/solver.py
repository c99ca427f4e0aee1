"""The semi-dual solve: find the target potential g whose plan has the wanted target marginal.

Belongs here: the loop, its acceleration, its stopping rule, its state. Does not: how a pass is computed (`tiles.py`).

Sinkhorn's update in the semi-dual is g ← g + ε log(b / col(g)), one pass each. Here it is the fixed-point map of an
Anderson iteration (type II), run first on a sample of the candidates with ε falling to the wanted one, then on larger
samples, then on all, each from the last g.
"""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from getmore_assets.transport.tiles import TilePass

log = logging.getLogger(__name__)

FIRST_SAMPLE = 4096
_GROWTH = 4
_MEMORY = 8  # past steps that Anderson combines
_COARSE_PASSES = 200  # a sample that has not converged by then is left for the next
_SAVE_EVERY_S = 0.2


class NotConvergedError(RuntimeError):
    """The marginal error did not fall below the tolerance within the passes allowed."""


@dataclass
class Solution:
    """Potentials and the evidence that they are those of the problem.

    Attributes:
        g: Target potential: `[m]`, float64, with Σ_j b_j g_j = 0.
        f: Candidate potential, the c-transform of g: `[n]`, float32.
        epsilon: The regularisation, absolute.
        error: L1 error of the target marginal of the final plan.
        dual: Σ a f + Σ b g: the entropic transport cost.
        history: (candidates, ε, L1 error) of each pass.
        full_passes: Passes over all candidates.
        seconds: Time of the solve.
    """

    g: np.ndarray
    f: np.ndarray
    epsilon: float
    error: float
    dual: float
    history: list[tuple[int, float, float]]
    full_passes: int
    seconds: float


@dataclass
class _State:
    """Where a solve stands: enough to go on exactly as if it had not stopped."""

    g: np.ndarray
    stage: int = 0
    passes: int = 0
    steps: list[np.ndarray] = field(default_factory=list)
    residuals: list[np.ndarray] = field(default_factory=list)
    history: list[tuple[int, float, float]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        partial = path.with_suffix(".partial.npz")
        np.savez(
            partial,
            g=self.g,
            stage=self.stage,
            passes=self.passes,
            history=np.array(self.history).reshape(-1, 3),
            steps=np.array(self.steps).reshape(-1, len(self.g)),
            residuals=np.array(self.residuals).reshape(-1, len(self.g)),
        )
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "_State":
        with np.load(path, allow_pickle=False) as stored:
            return cls(
                stored["g"],
                int(stored["stage"]),
                int(stored["passes"]),
                list(stored["steps"]),
                list(stored["residuals"]),
                [(int(n), float(e), float(r)) for n, e, r in stored["history"]],
            )


def solve(
    tile_pass: TilePass,
    n: int,
    b: np.ndarray,
    epsilon: float,
    coarsest: float,
    *,
    tolerance: float = 1e-3,
    max_passes: int = 300,
    state: Path | None = None,
) -> Solution:
    """Solve for g.

    Args:
        tile_pass: The operator; the first k candidates must be a random sample of all, for every k.
        n: Candidates.
        b: Target weights: `[m]`, positive, summing to 1.
        epsilon: Regularisation, absolute, in the unit of the cost.
        coarsest: The ε to start from, about the mean cost.
        tolerance: L1 error of the target marginal at which to stop.
        max_passes: Passes over all candidates before giving up.
        state: A file to go on from, and to keep up to date.

    Raises:
        NotConvergedError: After `max_passes`, with the error reached and the settings that would help.
    """
    started = last_saved = time.monotonic()
    now = _State.load(state) if state is not None and state.is_file() else _State(np.zeros(len(b)))
    stages = _stages(n, epsilon, coarsest)
    while True:
        size, eps = stages[now.stage]
        final = now.stage == len(stages) - 1
        f, col = tile_pass(now.g, eps, size)
        error = float(np.abs(col - b).sum())
        now.history.append((size, eps, error))
        now.passes += 1
        if final:
            log.info("pass %d over %d candidates: marginal error %.2e", now.passes, size, error)
        if final and error <= tolerance:
            break
        if final and now.passes >= max_passes:
            raise NotConvergedError(
                f"marginal error {error:.1e} after {now.passes} passes, tolerance {tolerance:.0e}: raise "
                "transport.epsilon or transport.max_passes, or accept more with transport.tolerance"
            )
        # An ε above the wanted one is only on the way: its plan need not be exact.
        enough = tolerance if eps == epsilon else max(tolerance, 0.05)
        if not final and (error <= enough or now.passes >= _COARSE_PASSES):
            now.stage, now.passes, now.steps, now.residuals = now.stage + 1, 0, [], []
            continue
        now.g = _anderson(now, eps * (np.log(b) - np.log(np.maximum(col, 1e-300))), b)
        if state is not None and time.monotonic() - last_saved > _SAVE_EVERY_S:
            now.save(state)
            last_saved = time.monotonic()
    shift = float(b @ now.g)  # only f + g is determined; this makes g mean zero, which f must mirror
    g, f = now.g - shift, (f + np.float32(shift)).astype(np.float32)
    dual = float(f.mean(dtype=np.float64) + b @ g)
    return Solution(g, f, epsilon, error, dual, now.history, now.passes, time.monotonic() - started)


def _stages(n: int, epsilon: float, coarsest: float) -> list[tuple[int, float]]:
    """(candidates, ε) of each stage: ε falls by quarters on the smallest sample, then the sample grows."""
    sample = min(FIRST_SAMPLE, n)
    falling = []
    eps = coarsest
    while eps > epsilon:
        falling.append((sample, eps))
        eps /= 4
    growing = [(sample, epsilon)]
    while sample * _GROWTH < n:
        sample *= _GROWTH
        growing.append((sample, epsilon))
    if growing[-1][0] < n:
        growing.append((n, epsilon))
    return falling + growing


def _anderson(now: _State, residual: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The next g: the combination of past steps whose residual is smallest (Walker & Ni 2011, eq. 2.1)."""
    residual = residual - b @ residual  # a constant shift of g changes nothing: keep it out of the fit
    now.steps = [*now.steps[-_MEMORY:], now.g.copy()]
    now.residuals = [*now.residuals[-_MEMORY:], residual]
    if len(now.steps) == 1:
        return np.asarray(now.g + residual)
    # Weighted by √b: the components that carry mass are those the marginal error counts.
    weight = np.sqrt(b)[:, None]
    d_res = np.diff(np.array(now.residuals), axis=0).T
    d_step = np.diff(np.array(now.steps), axis=0).T
    gram = (d_res * weight).T @ (d_res * weight)
    gram += np.eye(len(gram)) * 1e-10 * max(np.trace(gram), 1e-300)
    mix = np.linalg.solve(gram, (d_res * weight).T @ (residual * weight[:, 0]))
    return np.asarray(now.g + residual - (d_step + d_res) @ mix)
