"""Solve for the potentials of one target against the pool.

Belongs here: from tables to arrays and back. Does not: the solver (`transport/`).
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import candidates
from getmore_assets.corpus.target import points_of
from getmore_assets.encoders import store
from getmore_assets.lake import Lake, TableRef
from getmore_assets.transport.solver import solve
from getmore_assets.transport.tiles import DenseTiles, mean_cost
from getmore_assets.workers import POTENTIALS, run


def solve_potentials(spec: dict[str, Any]) -> dict[str, Any]:
    """Write f for every candidate and g for every target row.

    Returns:
        version (of the table), and the evidence of convergence.
    """
    task, lake, work = Task.model_validate(spec["task"]), Lake(spec["lake"]), Path(spec["work"])
    embeddings, target = TableRef(**spec["embeddings"]), TableRef(**spec["target_data"])
    # In order of id, which is a hash: any prefix is a random sample, as the solver's coarse stages want.
    eligible = candidates.find(TableRef(**spec["raw_corpus"]), target, task).eligible
    points = points_of(target, task.name)
    x = store.load(embeddings, spec["encoder"], eligible["id"].to_list(), work / "candidates.npy")
    y = store.load(embeddings, spec["encoder"], points["id"].to_list())
    b = points["weight"].to_numpy()
    unit = mean_cost(x, y, b)
    chosen = task.transport
    epsilon = chosen.epsilon * (unit if chosen.epsilon_is == "relative" else 1.0)
    tiles = DenseTiles(x, y, b, chosen.tile_mb)
    found = solve(
        tiles,
        len(x),
        b,
        epsilon,
        unit,
        tolerance=chosen.tolerance,
        max_passes=chosen.max_passes,
        state=work / "state.npz",
    )
    rows = pl.concat(
        [
            eligible.select(
                pl.lit("candidate").alias("side"),
                "id",
                pl.lit(1 / len(x)).alias("weight"),
                pl.Series("potential", found.f.astype(np.float64)),
            ),
            points.select(pl.lit("target").alias("side"), "id", "weight", pl.Series("potential", found.g)),
        ]
    )
    table = lake.replace(POTENTIALS, rows, {"target": task.name}, spec["commit"])
    (work / "candidates.npy").unlink()
    (work / "state.npz").unlink(missing_ok=True)
    return {
        "version": table.version,
        "candidates": len(x),
        "targets": len(y),
        "epsilon": found.epsilon,
        "epsilon_relative": found.epsilon / unit,
        "mean_cost": unit,
        "marginal_error": found.error,
        "transport_cost": found.dual,
        "full_passes": found.full_passes,
        "history": found.history,
        "seconds": found.seconds,
    }


if __name__ == "__main__":
    run(solve_potentials)
