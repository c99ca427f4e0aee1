"""The semi-dual solve: find the target potential g whose plan fulfils the constraint on the target marginal.

Belongs here: the loop, its stages, its stopping rule. Does not: computing a pass (`passes/`).

The loop iterates Sinkhorn's update (`marginal.py`), one pass each, with Anderson acceleration: first on a sample of the
candidates while ε falls to its final value, then on larger samples, then on all candidates. Each stage starts from the
last g.
"""

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from getmore_assets.transport.marginal import TargetMarginal
from getmore_assets.transport.passes import TilePass
from getmore_assets.transport.problem import Problem
from getmore_assets.transport.state import State

log = logging.getLogger(__name__)

FIRST_SAMPLE = 4096
_GROWTH = 4  # size of a sample relative to the sample before: halves the sampling error of the marginal
_FALL = 4  # ε falls by this factor
_COARSE_PASSES = 200  # passes after which the next sample follows, even if this sample has not converged
_COARSE_ERROR = 5e-3  # error at which the first sample ends: the next sample changes the marginal by more
_FALLING_ERROR = 0.05  # error at which a stage ends while ε falls
_BELOW_NOISE = 0.5  # a sample ends when its error is below this share of the next sample's first error
_GOOD_START = 0.5  # largest first error, over all candidates, with which an earlier g is used as the start
_LOW_PRECISION_ERROR = 5e-5  # error of a low-precision pass, divided by mean cost / ε (measured: benchmarks/README.md)
_STALLED = 0.7  # a low-precision pass that leaves a larger share of the error has reached its precision
_SAVE_EVERY_S = 0.2


class NotConvergedError(RuntimeError):
    """Raised if the marginal error is above the tolerance after the allowed passes."""


@dataclass(frozen=True)
class Solution:
    """The potentials, and the evidence that they solve the problem.

    Attributes:
        g: Target potential: `[m]`, float64, with Σ_j b_j g_j = 0 unless the target marginal is relaxed; 0 where b is 0.
        f: Candidate potential, the c-transform of g: `[n]`, float32.
        marginal: Target marginal of the final plan: `[m]`, float64.
        epsilon: The regularisation, absolute.
        error: L1 error of the target marginal of the final plan.
        dual: The dual's value at (f, g): the entropic transport cost when the error is 0.
        gap: |primal - dual|, an estimate of the dual's distance from the optimum. The primal is the value of the final
            plan, whose candidate marginal is exact and whose target marginal is off by `error`.
        history: (candidates, ε, L1 error) of each pass.
        full_passes: Passes over all candidates.
        passes: Work of all passes, in passes over all candidates.
        seconds: Time of the solve.
    """

    g: np.ndarray
    f: np.ndarray
    marginal: np.ndarray
    epsilon: float
    error: float
    dual: float
    gap: float
    history: list[tuple[int, float, float]]
    full_passes: int
    passes: float
    seconds: float


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
        tile_pass: The pass over the problem.
        epsilon: Regularisation, absolute, in the unit of the cost.
        tolerance: L1 error of the target marginal at which to stop.
        max_passes: Passes over all candidates before giving up.
        relaxation: τ, absolute: the cost of a unit of KL divergence of the target marginal from b. None: col = b.
        start: An earlier g to start from: `[m]`.
        state: A file to resume from, and to save the state of the loop in.

    Raises:
        NotConvergedError: After `max_passes`; the message has the remaining error and the settings that would help.
    """
    began = last_saved = time.monotonic()
    problem = tile_pass.problem
    stages = _stages(problem, epsilon)
    if state is not None and state.is_file():
        now = State.load(state)
    elif start is None:
        now = State(np.zeros(problem.m))
    else:
        now = State(np.asarray(start, np.float64).copy(), stage=len(stages) - 1)
    marginal, low_error = TargetMarginal(problem.b, relaxation), _LOW_PRECISION_ERROR * problem.mean_cost / epsilon
    now.precise = now.precise or low_error > _COARSE_ERROR
    while True:
        size, eps = stages[now.stage]
        final = now.stage == len(stages) - 1
        low = not now.precise and (not final or _low_precision_suffices(now, low_error, tolerance))
        f, col = (None, tile_pass.low_precision(now.g, eps, size)) if low else tile_pass(now.g, eps, size)
        now.after_pass(size, eps, marginal.error(now.g, col))
        now.precise = now.precise or (low and now.passes > 1 and now.rate > _STALLED)
        if final:
            log.info("pass %d over %d candidates: marginal error %.2e", now.passes, size, now.error)
        if final and f is not None and now.error <= tolerance:
            break
        if final and now.passes >= max_passes:
            raise NotConvergedError(
                f"marginal error {now.error:.1e} after {now.passes} passes, tolerance {tolerance:.0e}: raise "
                "transport.epsilon or transport.max_passes, or accept more with transport.tolerance"
            )
        if start is not None and len(now.history) == 1 and not now.error <= _GOOD_START:
            now.enter(next(i for i, stage in enumerate(stages) if stage[1] == epsilon), float("nan"))
            continue
        now.g = now.anderson.next(now.g, marginal.residual(now.g, col, eps), now.error, marginal.b)
        if not final and (_near_enough(now, stages, epsilon, tolerance) or now.passes >= _COARSE_PASSES):
            now.enter(now.stage + 1, now.entry / 2)
        if state is not None and time.monotonic() - last_saved > _SAVE_EVERY_S:
            now.save(state)
            last_saved = time.monotonic()
    return _solution(problem, marginal, now, f, col, epsilon, time.monotonic() - began)


def _near_enough(now: State, stages: list[tuple[int, float]], epsilon: float, tolerance: float) -> bool:
    """Return whether the error of this stage is so small that the next stage will add more."""
    size, eps = stages[now.stage]
    if eps > epsilon:
        return now.error <= max(tolerance, _FALLING_ERROR)
    if size == stages[0][0]:
        return now.error <= max(tolerance, _COARSE_ERROR)
    return now.expected <= max(tolerance, _BELOW_NOISE * now.entry / 2)


def _low_precision_suffices(now: State, low_error: float, tolerance: float) -> bool:
    """Return whether the solve needs no more passes if the next pass is low-precision than if it is precise."""

    def passes_left(error: float) -> int:
        return max(0, math.ceil(math.log(error / tolerance) / -math.log(now.rate)))

    after = now.expected * now.rate  # NaN where unknown, which compares false
    return bool(now.expected > tolerance and passes_left(after + low_error) <= passes_left(after))


def _stages(problem: Problem, epsilon: float) -> list[tuple[int, float]]:
    """Return (candidates, ε) of each stage: ε falls on the smallest sample, then the sample grows."""
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
    if problem.a is not None:  # drop samples whose weights are all 0
        sizes = [size for size in sizes if problem.a[:size].sum() > 0]
        falling = [stage for stage in falling if stage[0] in sizes]
    return falling + [(size, epsilon) for size in sizes]


def _solution(
    problem: Problem, marginal: TargetMarginal, now: State, f: np.ndarray, col: np.ndarray, eps: float, seconds: float
) -> Solution:
    g, f = marginal.centred(now.g, f)
    a = problem.weights(problem.n)
    dual, primal = marginal.values(float(f.mean(dtype=np.float64) if a is None else a @ f), g, col)
    work = sum(size for size, _, _ in now.history) / problem.n
    return Solution(g, f, col, eps, now.error, dual, abs(primal - dual), now.history, now.passes, work, seconds)
