"""Solve for the potentials of one target against the pool.

Belongs here: from tables to arrays and back. Does not: the solver (`transport/`).
"""

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from getmore_assets.config import Transport as Settings
from getmore_assets.corpus import candidates
from getmore_assets.corpus.target import points_of
from getmore_assets.device import best_device
from getmore_assets.encoders import store
from getmore_assets.errors import BadInput
from getmore_assets.facts import Moved, SolveFacts
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake
from getmore_assets.metering import give_back
from getmore_assets.transport.exact import moved_by_epsilon, require_exact_room, solve_exactly
from getmore_assets.transport.paper import solve_as_published
from getmore_assets.transport.passes import TilePass, best_pass
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.passes.remote import remote_pass
from getmore_assets.transport.plan import Plan, calibrate, keep_mb, require_room
from getmore_assets.transport.problem import BadVectorError, Problem, build_problem
from getmore_assets.transport.rows import NpyFile
from getmore_assets.transport.solver import Solution
from getmore_assets.transport.solver import solve as solve_problem
from getmore_assets.transport.stability import choice_overlap
from getmore_assets.workers import POTENTIALS, previous_solution, run
from getmore_assets.workers.contracts import SolveSpec

log = logging.getLogger(__name__)


def solve(spec: SolveSpec) -> SolveFacts:
    """Write f for every candidate and g for every target row.

    The solve starts from an earlier one, if the spec names one. If the task allows the drift since then, the earlier
    solve is kept, and only added candidates are scored.
    """
    task, lake, work = spec.task, Lake(spec.lake), spec.work
    embeddings, target, encoder = spec.embeddings, spec.target_data, spec.encoder
    # In order of id, which is a hash: any prefix is a random sample, as the solver's coarse stages require.
    without = store.without_vector(embeddings, encoder)
    found = candidates.find(task, *(getattr(spec, name) for name in candidates.INPUTS), without=without)
    points = points_of(target, task.name, without=without)
    y = store.load(embeddings, encoder, points["id"])
    before = previous_solution.read(spec.earlier, task, embeddings, encoder)
    drift = before.drift(points, y, task.transport.memory_mb) if before else {}
    if before and before.recipe and task.drift.allows(**drift):
        scored = previous_solution.rescore(before, found.ids, task, embeddings, encoder, work)
        if scored.error <= task.transport.tolerance:
            g = before.targets["potential"].to_numpy()
            rows = partial(_rows, found, before.targets, scored.f, g, scored.marginal)
            table = lake.replace(POTENTIALS, rows, {"target": task.name}, spec.commit)
            return SolveFacts(
                version=table.version,
                decision="rescored",
                drift=drift,
                candidates=found.count,
                marginal_error=scored.error,
                came=scored.came,
                went=scored.went,
            )
    exact = task.transport.solver == "exact"
    if exact:
        memory = require_exact_room(found.count, len(y), task.transport.memory_mb)
    else:
        memory = require_room(found.count, len(y), y.shape[1], task.transport.memory_mb, best_device(), work)
    spilled = work / "candidates.npy"
    store.load_indexed(embeddings, encoder, found.index(work), found.id_at, spilled)
    give_back()  # the index of ids
    problem = _pose(NpyFile(spilled), y, points["weight"].to_numpy(), found, points["id"])
    start = before.start(points["id"].to_list(), y) if before else None
    place, limit = task.launch.solve, task.transport.memory_mb
    if exact:
        facts, solution = _solve_exactly(problem, memory)
    else:
        spread = remote_pass(problem, limit, place) if place and place.ray else nullcontext(best_pass(problem, limit))
        with spread as tile_pass:
            facts, solution = _solve(tile_pass, task.transport, memory, start, work / "state.npz")
    rows = partial(_rows, found, points, solution.f, solution.g, solution.marginal)
    table = lake.replace(POTENTIALS, rows, {"target": task.name}, spec.commit)
    decision = "solved from the last potentials" if before else "solved"
    return SolveFacts(version=table.version, decision=decision, drift=drift, **facts)


def _pose(x: NpyFile, y: np.ndarray, b: np.ndarray, found: candidates.Candidates, target_ids: pl.Series) -> Problem:
    try:
        return build_problem(x, y, b)
    except BadVectorError as error:
        id_ = found.id_at(error.row) if error.side == "candidate" else target_ids[error.row]
        fix = "Encode the row again, or leave it out"
        raise BadInput(f"embeddings, {error.side} {id_}", error.what, fix) from None


def _solve(
    tile_pass: TilePass, settings: Settings, memory_mb: float, start: np.ndarray | None, state: Path
) -> tuple[JsonObject, Solution]:
    problem = tile_pass.problem
    epsilon, relaxation = settings.absolute(problem.mean_cost)
    keep = (
        keep_mb(problem.n, problem.m, problem.y.shape[1], settings.memory_mb) if isinstance(tile_pass, CpuPass) else 0.0
    )
    plan = calibrate(tile_pass, epsilon, memory_mb, keep)
    log.info("solve: %.0f MiB, %.1f s a pass, about %.0f s", memory_mb, plan.seconds_per_pass, plan.seconds)
    if settings.solver == "published":
        solution = solve_as_published(
            tile_pass,
            epsilon,
            momentum=settings.momentum,
            threshold=settings.tolerance,
            max_passes=settings.max_passes,
        )
    else:
        solution = solve_problem(
            tile_pass,
            epsilon,
            tolerance=settings.tolerance,
            max_passes=settings.max_passes,
            relaxation=relaxation,
            start=start,
            state=state,
        )
    if isinstance(tile_pass, CpuPass):
        tile_pass.free()  # the next solves need the memory
    overlap = choice_overlap(problem, solution.g, epsilon, relaxation, settings.memory_mb)
    found = None if relaxation else moved_by_epsilon(problem, epsilon, settings.memory_mb)
    moved = Moved(**vars(found)) if found else None
    facts = {**_evidence(problem, plan, solution), "relaxation": relaxation, "overlap": overlap, "moved": moved}
    return facts, solution


def _solve_exactly(problem: Problem, memory_mb: float) -> tuple[JsonObject, Solution]:
    solution = solve_exactly(problem)
    disk = 4 * problem.n * problem.y.shape[1] / 2**20
    plan = Plan(memory_mb, disk, problem.n, solution.seconds, 1.0, solution.seconds)
    return {**_evidence(problem, plan, solution), "relaxation": None, "overlap": [], "moved": None}, solution


def _rows(
    found: candidates.Candidates, targets: pl.DataFrame, f: np.ndarray, g: np.ndarray, marginal: np.ndarray
) -> Iterator[pl.DataFrame]:
    start = 0
    for piece in found.pieces():
        yield piece.select(
            pl.lit("candidate").alias("side"),
            "id",
            pl.lit(1 / len(f)).alias("weight"),
            pl.Series("potential", f[start : start + piece.height].astype(np.float64)),
            pl.lit(None, pl.Float64).alias("marginal"),
        )
        start += piece.height
    yield targets.select(
        pl.lit("target").alias("side"), "id", "weight", pl.Series("potential", g), pl.Series("marginal", marginal)
    )


def _evidence(problem: Problem, plan: Plan, solution: Solution) -> JsonObject:
    return {
        "candidates": problem.n,
        "targets": problem.m,
        "epsilon": solution.epsilon,
        "epsilon_relative": solution.epsilon / problem.mean_cost,
        "mean_cost": problem.mean_cost,
        "marginal_error": solution.error,
        "transport_cost": solution.dual,
        "gap_estimate": solution.gap,
        "full_passes": solution.full_passes,
        "passes": solution.passes,
        "history": solution.history,
        "seconds": solution.seconds,
        "planned_seconds": plan.seconds,
        "planned_memory_mb": plan.memory_mb,
    }


if __name__ == "__main__":
    run(solve)
