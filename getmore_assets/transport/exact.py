"""Exact optimal transport, without entropy: a linear program, solved by POT's network simplex.

Belongs here: this solve, refusing problems too large for it, and comparing exact and entropic selection on a sample.
Does not: the solver for problems of any size (`solver.py`), or the limit of that comparison (the asset check).
"""

import time
from dataclasses import dataclass, replace

import numpy as np

from getmore_assets.errors import BadInput
from getmore_assets.transport.passes import best_pass
from getmore_assets.transport.problem import Problem
from getmore_assets.transport.solver import NotConvergedError, Solution, solve
from getmore_assets.transport.stability import SHARES, jaccard

_MIB = 2**20
_ENTRY_BYTES = 40  # per entry of the cost matrix: the cost, the plan and the arcs of the network
_MOST_ENTRIES = 10**8  # 4 GB
_MOST_STEPS = 10**8
#: ε / mean cost for computing plan rows from exact potentials: so small that a row's mass goes to one or two targets.
SHARP = 1e-3
SAMPLE = 1024  # candidates on which the entropic and the exact selection are compared
_SAMPLE_TARGETS = 4096
_TOLERANCE = 5e-3


def require_exact_room(n: int, m: int, memory_mb: int) -> float:
    """Require that a problem is small enough for an exact solve.

    Args:
        n: Candidates.
        m: Targets.
        memory_mb: The limit on working memory.

    Returns:
        The memory that the solve takes, in MiB.

    Raises:
        BadInput: The cost matrix has more than 100 million entries, or does not fit the limit.
    """
    needed, what = _ENTRY_BYTES * n * m / _MIB, f"{n:,} candidates against {m:,} targets are {n * m:,} entries"
    if n * m > _MOST_ENTRIES:
        limit = f"{what}; an exact solve takes at most {_MOST_ENTRIES:,}"
        raise BadInput("transport.solver", limit, "Use `semi-dual`, or keep fewer candidates with triage.keep")
    if needed > memory_mb:
        full = f"{what}, which take {needed:,.0f} MiB; the limit is {memory_mb}"
        raise BadInput("transport.memory_mb", full, f"Set it to {int(needed) + 1}, or transport.solver to `semi-dual`")
    return needed


def solve_exactly(problem: Problem) -> Solution:
    """Solve the linear program: the least cost, and the dual potentials that prove it (f_i + g_j <= C_ij).

    Args:
        problem: A problem whose size `require_exact_room` accepts.

    Returns:
        g with Σ_j b_j g_j = 0 and its c-transform f_i = min_j (C_ij - g_j). `epsilon` is the value for computing rows
        of the plan (`SHARP`). Potentials of a linear program need not be unique.

    Raises:
        NotConvergedError: After 100 million steps of the simplex.
    """
    from ot.lp import emd

    began, n, b = time.monotonic(), problem.n, problem.b
    cost = costs(problem)
    a = problem.weights(n)
    a = np.full(n, 1 / n) if a is None else a
    plan, log = emd(a, b, cost, numItermax=_MOST_STEPS, log=True)
    if log["warning"]:
        what = f"the network simplex ended without a solution: {log['warning']}"
        raise NotConvergedError(f"{what}. Set transport.solver to semi-dual")
    g = np.asarray(log["v"], np.float64)
    shift = float(b @ g)
    g = np.where(b > 0, g - shift, 0.0)
    f = (np.where(b > 0, cost - g, np.inf)).min(axis=1)
    marginal = plan.sum(axis=0)
    error, dual = float(np.abs(marginal - b).sum()), float(a @ f) + float(b @ g)
    epsilon, gap = SHARP * problem.mean_cost, abs(float(log["cost"]) - dual)
    history = [(n, epsilon, max(error, np.finfo(float).eps))]
    seconds = time.monotonic() - began
    return Solution(g, f.astype(np.float32), marginal, epsilon, error, dual, gap, history, 1, 1.0, seconds)


def costs(problem: Problem) -> np.ndarray:
    """Return the whole cost matrix: `[n, m]`, float64."""
    x, u = problem.block(0, problem.n)
    products = x.astype(np.float64) @ problem.y.astype(np.float64).T
    matrix: np.ndarray = np.reshape(u, (-1, 1)) + problem.v - problem.kappa * products
    return matrix


@dataclass(frozen=True)
class MovedChoice:
    """The exact and the entropic selection compared on a sample.

    Attributes:
        candidates: Number of candidates in the sample.
        targets: Number of target rows in the sample.
        exact_cost: The optimum without entropy.
        entropic_cost: The dual objective at ε.
        jaccard: For each selected share of the candidates (lowest f first): the share, and the Jaccard similarity of
            the two selections.
    """

    candidates: int
    targets: int
    exact_cost: float
    entropic_cost: float
    jaccard: list[dict[str, float | None]]


def moved_by_epsilon(problem: Problem, epsilon: float, memory_mb: int) -> MovedChoice | None:
    """Compare the entropic with the exact selection on the first 1,024 candidates and 4,096 targets.

    Args:
        problem: The whole problem, without a relaxed target marginal.
        epsilon: Regularisation of the entropic solve, absolute.
        memory_mb: Memory limit of a pass, in MiB.

    Returns:
        The comparison; None if one of the two solves did not converge.
    """
    sample = problem.only(min(SAMPLE, problem.n))
    if problem.m > _SAMPLE_TARGETS:
        kept = slice(0, _SAMPLE_TARGETS)
        log_b = sample.log_b[kept] - np.log(sample.b[kept].sum())
        sample = replace(sample, y=np.ascontiguousarray(sample.y[kept]), log_b=log_b, v=sample.v[kept])
    try:
        exact = solve_exactly(sample)
        entropic = solve(best_pass(sample, memory_mb), epsilon, tolerance=_TOLERANCE)
    except NotConvergedError:
        return None
    one, other = (np.argsort(solution.f, kind="stable") for solution in (exact, entropic))
    overlaps = [{"share": share, "jaccard": jaccard(one, other, share)} for share in SHARES]
    return MovedChoice(sample.n, sample.m, exact.dual, entropic.dual, overlaps)
