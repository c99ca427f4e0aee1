"""Solve for the potentials of one target against the pool.

Belongs here: from tables to arrays and back. Does not: the solver (`transport/`).
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.config import Task
from getmore_assets.config import Transport as Settings
from getmore_assets.corpus import candidates
from getmore_assets.corpus.target import points_of
from getmore_assets.device import best_device
from getmore_assets.encoders import store
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, TableRef
from getmore_assets.transport.paper import solve_as_published
from getmore_assets.transport.passes import TilePass, best_pass
from getmore_assets.transport.plan import Plan, calibrate, require_room
from getmore_assets.transport.problem import BadVectorError, Problem, pose
from getmore_assets.transport.rows import NpyFile
from getmore_assets.transport.solver import Solution, solve
from getmore_assets.transport.stability import choice_overlap
from getmore_assets.workers import POTENTIALS, run

log = logging.getLogger(__name__)


def solve_potentials(spec: dict[str, Any]) -> dict[str, Any]:
    """Write f for every candidate and g for every target row.

    Returns:
        version (of the table), the plan, and the evidence of convergence.
    """
    task, lake, work = Task.model_validate(spec["task"]), Lake(spec["lake"]), Path(spec["work"])
    embeddings, target = TableRef(**spec["embeddings"]), TableRef(**spec["target_data"])
    # In order of id, which is a hash: any prefix is a random sample, as the solver's coarse stages want.
    found = candidates.find(TableRef(**spec["raw_corpus"]), target, TableRef(**spec["domain_triage"]), task)
    eligible, points, settings = found.eligible, points_of(target, task.name), task.transport
    y = store.load(embeddings, spec["encoder"], points["id"].to_list())
    memory = require_room(eligible.height, len(y), y.shape[1], settings.memory_mb, best_device(), work)
    spilled = work / "candidates.npy"
    store.load(embeddings, spec["encoder"], eligible["id"].to_list(), spilled)
    problem = _pose(NpyFile(spilled), y, points["weight"].to_numpy(), eligible["id"], points["id"])
    unit = problem.mean_cost if settings.epsilon_is == "relative" else 1.0
    tile_pass, epsilon = best_pass(problem, settings.memory_mb), settings.epsilon * unit
    plan = calibrate(tile_pass, epsilon, memory)
    log.info("solve: %.0f MiB, %.1f s a pass, about %.0f s", memory, plan.seconds_per_pass, plan.seconds)
    solution = _solve(tile_pass, settings, epsilon, unit, work / "state.npz")
    overlap = choice_overlap(problem, solution.g, epsilon, settings.memory_mb)
    table = lake.replace(POTENTIALS, _rows(eligible, points, solution), {"target": task.name}, spec["commit"])
    spilled.unlink()
    (work / "state.npz").unlink(missing_ok=True)
    return {"version": table.version, **_facts(problem, plan, solution), "overlap": overlap}


def _pose(x: NpyFile, y: np.ndarray, b: np.ndarray, candidate_ids: pl.Series, target_ids: pl.Series) -> Problem:
    try:
        return pose(x, y, b)
    except BadVectorError as error:
        ids = candidate_ids if error.side == "candidate" else target_ids
        fix = "Encode the row again, or leave it out"
        raise BadInput(f"embeddings, {error.side} {ids[error.row]}", error.what, fix) from None


def _solve(tile_pass: TilePass, settings: Settings, epsilon: float, unit: float, state: Path) -> Solution:
    if settings.solver == "published":
        return solve_as_published(
            tile_pass,
            epsilon,
            momentum=settings.momentum,
            threshold=settings.tolerance,
            max_passes=settings.max_passes,
        )
    return solve(
        tile_pass,
        epsilon,
        tolerance=settings.tolerance,
        max_passes=settings.max_passes,
        relaxation=None if settings.target_relaxation is None else settings.target_relaxation * unit,
        state=state,
    )


def _rows(eligible: pl.DataFrame, points: pl.DataFrame, solution: Solution) -> pl.DataFrame:
    pool_side = eligible.select(
        pl.lit("candidate").alias("side"),
        "id",
        pl.lit(1 / eligible.height).alias("weight"),
        pl.Series("potential", solution.f.astype(np.float64)),
    )
    target_side = points.select(pl.lit("target").alias("side"), "id", "weight", pl.Series("potential", solution.g))
    return pl.concat([pool_side, target_side])


def _facts(problem: Problem, plan: Plan, solution: Solution) -> dict[str, Any]:
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
    run(solve_potentials)
