"""The semi-dual solve: find the target potential g whose plan has the wanted target marginal.

Belongs here: the loop, its stages, its stopping rule, its state. Does not: how a pass is computed (`passes/`).

Sinkhorn's update in the semi-dual is g ← g + ε log(b / col(g)), one pass each. Here it is the map of an Anderson
iteration, run first on a sample of the candidates with ε falling to the wanted one, then on larger samples, then on
all, each from the last g.

With a relaxed target marginal the penalty τ·KL(col | b) stands in place of col = b (Chizat et al. 2018, section 4): the
update is then damped, g ← τ/(τ + ε) · (g + ε log(b / col)), and the wanted marginal is b·exp(-g/τ).
"""

import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from getmore_assets.transport.anderson import Anderson
from getmore_assets.transport.passes import TilePass
from getmore_assets.transport.problem import Problem

log = logging.getLogger(__name__)

FIRST_SAMPLE = 4096
_GROWTH = 4  # a sample is this many times the one before: its marginal is off by half as much
_FALL = 4  # ε falls by this factor
_COARSE_PASSES = 200  # a sample that has not converged by then is left for the next
_COARSE_ERROR = 5e-3  # the first sample is left at this error: the next moves the marginal by more
_ON_THE_WAY = 0.05  # error that is enough while ε falls
_BELOW_NOISE = 0.5  # a sample is left when its error falls below this share of what the next will show
_GOOD_START = 0.5  # error over all candidates up to which an earlier g is gone on from
_ROUGH_ERROR = 5e-5  # of a rough pass, times mean cost / ε (measured: benchmarks/README.md)
_STALLED = 0.7  # a rough pass that leaves more of the error than this has met its own
_SAVE_EVERY_S = 0.2


class NotConvergedError(RuntimeError):
    """The marginal error did not fall below the tolerance within the passes allowed."""


@dataclass(frozen=True)
class Solution:
    """Potentials and the evidence that they are those of the problem.

    Attributes:
        g: Target potential: `[m]`, float64, with Σ_j b_j g_j = 0 unless the target marginal is relaxed; 0 where b is.
        f: Candidate potential, the c-transform of g: `[n]`, float32.
        epsilon: The regularisation, absolute.
        error: L1 error of the target marginal of the final plan.
        dual: The dual's value at (f, g): the entropic transport cost when the error is 0.
        gap: |primal - dual|, the primal's value being that of the final plan, whose rows are exact and whose columns
            are off by `error`: an estimate of how far the dual's value is from the optimum.
        history: (candidates, ε, L1 error) of each pass.
        full_passes: Passes over all candidates.
        passes: Work of all passes, in passes over all candidates.
        seconds: Time of the solve.
    """

    g: np.ndarray
    f: np.ndarray
    epsilon: float
    error: float
    dual: float
    gap: float
    history: list[tuple[int, float, float]]
    full_passes: int
    passes: float
    seconds: float


@dataclass
class _State:
    """Where a solve stands: enough to go on exactly as if it had not stopped.

    Attributes:
        g: Target potential.
        stage: Which.
        passes: In this stage.
        entry: Error of the first pass of this stage.
        error: Error of the last pass of this stage.
        rate: What a pass multiplied the error by, last time it could be seen.
        expected: Error that the next pass should show; NaN where unknown.
        precise: Whether rough passes have been seen to gain nothing more.
        anderson: Steps in this stage.
        history: All passes.
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

    def saw(self, size: int, eps: float, error: float) -> None:
        """Take note of a pass."""
        if self.passes:
            self.rate = float(np.clip(error / self.error, *_RATES))
        else:
            self.entry = error
        self.error, self.expected = error, error * self.rate
        self.passes += 1
        self.history.append((size, eps, error))

    def enter(self, stage: int, expected: float) -> None:
        """Go on to another stage with the g of this one."""
        self.stage, self.passes, self.anderson, self.expected = stage, 0, Anderson(), expected

    def save(self, path: Path) -> None:
        partial = path.with_suffix(".partial.npz")
        arrays = {f"anderson_{name}": array for name, array in self.anderson.arrays().items()}
        arrays |= {name: np.array(getattr(self, name)) for name in _NUMBERS}
        arrays |= {"g": self.g, "history": np.array(self.history).reshape(-1, 3)}
        np.savez(partial, allow_pickle=False, **arrays)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "_State":
        with np.load(path, allow_pickle=False) as stored:
            kept = {k.removeprefix("anderson_"): stored[k] for k in stored.files if k.startswith("anderson_")}
            history = [(int(n), float(e), float(r)) for n, e, r in stored["history"]]
            numbers = {name: stored[name].item() for name in _NUMBERS}
            return cls(g=stored["g"], anderson=Anderson.of(kept), history=history, **numbers)


_NUMBERS = ("stage", "passes", "entry", "error", "rate", "expected", "precise")
_RATES = (0.02, 0.9)


def solve(
    tile_pass: TilePass,
    epsilon: float,
    *,
    tolerance: float = 1e-3,
    max_passes: int = 300,
    relaxation: float | None = None,
    start: np.ndarray | None = None,
    state: Path | None = None,
) -> Solution:
    """Solve for g.

    Args:
        tile_pass: The operator, with its problem.
        epsilon: Regularisation, absolute, in the unit of the cost.
        tolerance: L1 error of the target marginal at which to stop.
        max_passes: Passes over all candidates before giving up.
        relaxation: τ, absolute: what a unit of KL divergence of the target marginal from b costs. None: col = b.
        start: An earlier g to go on from: `[m]`.
        state: A file to go on from, and to keep up to date.

    Raises:
        NotConvergedError: After `max_passes`, with the error reached and the settings that would help.
    """
    began = last_saved = time.monotonic()
    problem = tile_pass.problem
    stages = _stages(problem, epsilon)
    if state is not None and state.is_file():
        now = _State.load(state)
    elif start is None:
        now = _State(np.zeros(problem.m))
    else:
        now = _State(np.asarray(start, np.float64).copy(), stage=len(stages) - 1)
    b, rough_error = problem.b, _ROUGH_ERROR * problem.mean_cost / epsilon
    now.precise = now.precise or rough_error > _COARSE_ERROR
    while True:
        size, eps = stages[now.stage]
        final = now.stage == len(stages) - 1
        rough = not now.precise and (not final or _rough_will_do(now, rough_error, tolerance))
        f, col = (None, tile_pass.rough(now.g, eps, size)) if rough else tile_pass(now.g, eps, size)
        wanted = b if relaxation is None else b * np.exp(-now.g / relaxation)
        now.saw(size, eps, float(np.abs(col - wanted).sum()))
        now.precise = now.precise or (rough and now.passes > 1 and now.rate > _STALLED)
        if final:
            log.info("pass %d over %d candidates: marginal error %.2e", now.passes, size, now.error)
        if final and f is not None and now.error <= tolerance:
            break
        if final and now.passes >= max_passes:
            raise NotConvergedError(
                f"marginal error {now.error:.1e} after {now.passes} passes, tolerance {tolerance:.0e}: raise "
                "transport.epsilon or transport.max_passes, or accept more with transport.tolerance"
            )
        if final and now.passes == 1 and start is not None and not now.error <= _GOOD_START:
            now.enter(next(i for i, stage in enumerate(stages) if stage[1] == epsilon), float("nan"))
            continue
        now.g = now.anderson.next(now.g, _residual(now.g, col, b, eps, relaxation), now.error, b)
        if not final and (_near_enough(now, stages, epsilon, tolerance) or now.passes >= _COARSE_PASSES):
            now.enter(now.stage + 1, now.entry / 2)
        if state is not None and time.monotonic() - last_saved > _SAVE_EVERY_S:
            now.save(state)
            last_saved = time.monotonic()
    return _solution(problem, now, f, col, epsilon, relaxation, time.monotonic() - began)


def _near_enough(now: _State, stages: list[tuple[int, float]], epsilon: float, tolerance: float) -> bool:
    """Whether the step just taken leaves less error than the next stage will find anyway."""
    size, eps = stages[now.stage]
    if eps > epsilon:
        return now.error <= max(tolerance, _ON_THE_WAY)
    if size == stages[0][0]:
        return now.error <= max(tolerance, _COARSE_ERROR)
    return now.expected <= max(tolerance, _BELOW_NOISE * now.entry / 2)


def _rough_will_do(now: _State, rough_error: float, tolerance: float) -> bool:
    """Whether a rough pass now leaves no more passes to be made than a precise one would."""

    def still(error: float) -> int:
        return max(0, math.ceil(math.log(error / tolerance) / -math.log(now.rate)))

    after = now.expected * now.rate  # NaN, where nothing is known, compares false
    return bool(now.expected > tolerance and still(after + rough_error) <= still(after))


def candidate_potential(tile_pass: TilePass, g: np.ndarray, epsilon: float) -> np.ndarray:
    """The f of new candidates at the g of an earlier solve, with no solve of their own: `[n]`, float32."""
    return tile_pass(g, epsilon, tile_pass.problem.n)[0]


def _stages(problem: Problem, epsilon: float) -> list[tuple[int, float]]:
    """(candidates, ε) of each stage: ε falls on the smallest sample, then the sample grows."""
    first = min(max(FIRST_SAMPLE, problem.m), problem.n)
    falling, eps = [], problem.mean_cost
    while eps > epsilon:
        falling.append((first, eps))
        eps /= _FALL
    sizes = []
    while first < problem.n:
        sizes.append(first)
        first *= _GROWTH
    sizes.append(problem.n)
    if problem.a is not None:  # a sample that weighs nothing says nothing
        sizes = [size for size in sizes if problem.a[:size].sum() > 0]
        falling = [stage for stage in falling if stage[0] in sizes]
    return falling + [(size, epsilon) for size in sizes]


def _residual(g: np.ndarray, col: np.ndarray, b: np.ndarray, eps: float, relaxation: float | None) -> np.ndarray:
    """What Sinkhorn's update adds to g: ε log(b / col), damped where the target marginal is relaxed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(b > 0, eps * (np.log(b) - np.log(np.maximum(col, 1e-300))), 0.0)
    if relaxation is None:
        # A constant shift of g changes nothing: keep it out of the fit.
        return np.where(b > 0, step - b @ step, 0.0)
    moved = relaxation / (relaxation + eps) * (g + step)
    # A constant shift leaves the plan as it is, and damping alone would take long to find it: set it to where the
    # wanted marginal sums to 1 (Séjourné et al. 2022, section 3).
    with np.errstate(divide="ignore"):
        shift = relaxation * float(np.logaddexp.reduce(np.log(b) - moved / relaxation))
    return np.where(b > 0, moved + shift - g, 0.0)


def _solution(
    problem: Problem,
    now: _State,
    f: np.ndarray,
    col: np.ndarray,
    epsilon: float,
    relaxation: float | None,
    seconds: float,
) -> Solution:
    b, g = problem.b, now.g
    if relaxation is None:  # only f + g is determined; this makes g mean zero, which f must mirror
        shift = float(b @ g)
        g, f = np.where(b > 0, g - shift, 0.0), (f + np.float32(shift)).astype(np.float32)
    a = problem.weights(problem.n)
    mean_f = float(f.mean(dtype=np.float64) if a is None else a @ f)
    if relaxation is None:
        dual, primal = mean_f + float(b @ g), mean_f + float(col @ g)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            divergence = float(np.where(b > 0, col * (np.log(col) - np.log(b)) - col + b, 0.0).sum())
        dual = mean_f - relaxation * float(b @ np.expm1(-g / relaxation))
        primal = mean_f + float(col @ g) + relaxation * divergence
    work = sum(size for size, _, _ in now.history) / problem.n
    return Solution(g, f, epsilon, now.error, dual, abs(primal - dual), now.history, now.passes, work, seconds)
