"""An earlier solve of the same target, and its use for the present target and pool.

Belongs here: reading it from the table, the drift, and scoring added candidates without a new solve. Does not: a new
solve (`solve.py`), or the limits of drift (`config.Drift`).
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from getmore_assets.config import Task
from getmore_assets.encoders import store
from getmore_assets.facts import EarlierSolve
from getmore_assets.lake import TableRef
from getmore_assets.reselection.drift import weight_changed
from getmore_assets.transport.divergence import Points, divergence
from getmore_assets.transport.marginal import TargetMarginal
from getmore_assets.transport.passes import TilePass, best_pass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.rows import NpyFile
from getmore_assets.transport.warm import carried_over, moved_marginal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreviousSolution:
    """An earlier solve, read from its table.

    Attributes:
        candidates: id and potential, in order of id.
        targets: id, weight, potential and marginal, in order of id.
        y: Vectors of the targets: `[m, d]`, float32.
        epsilon: Absolute.
        relaxation: Relaxation of the target marginal, absolute; None for none.
        recipe: Whether the solve had the present settings and code.
    """

    candidates: pl.DataFrame
    targets: pl.DataFrame
    y: np.ndarray
    epsilon: float
    relaxation: float | None
    recipe: bool

    def start(self, ids: list[str], y: np.ndarray) -> np.ndarray:
        """Return an initial g (`[m]`) for the present targets (`[m, d]`); a new target gets that of the nearest one."""
        place = {id_: at for at, id_ in enumerate(self.targets["id"])}
        g = self.targets["potential"].to_numpy()
        known = np.array([place.get(id_, -1) for id_ in ids])
        start = np.where(known >= 0, g[known], 0.0)
        if (known < 0).any():
            start[known < 0] = carried_over(g, self.y, y[known < 0])
        return start

    def drift(self, points: pl.DataFrame, y: np.ndarray, memory_mb: int) -> dict[str, float]:
        """Return the drift of the present targets (id, weight; vectors `[m, d]`) from those of the solve."""
        rows = weight_changed(self.targets, points)
        before, now = (
            Points(vectors, frame["weight"].to_numpy()) for vectors, frame in ((self.y, self.targets), (y, points))
        )
        return {"rows": rows, "distance": divergence(now, before, memory_mb) if rows else 0.0}


def read(spec: EarlierSolve | None, task: Task, embeddings: TableRef, encoder: str) -> PreviousSolution | None:
    """Return the earlier solve that a spec names, or None."""
    if spec is None:
        return None
    rows = spec.table.of_target(task.name).sort("id")
    targets = rows.filter(pl.col("side") == "target").select("id", "weight", "potential", "marginal").collect()
    candidates = rows.filter(pl.col("side") == "candidate").select("id", "potential").collect()
    y = store.load(embeddings, encoder, targets["id"])
    return PreviousSolution(candidates, targets, y, spec.epsilon, spec.relaxation, spec.same_recipe)


@dataclass(frozen=True)
class Rescored:
    """Potentials of all present candidates at the g of an earlier solve.

    Attributes:
        f: Potentials in the order of the candidates: `[n]`, float64.
        marginal: Marginal of the targets of the earlier solve: `[m]`, float64.
        error: L1 error of that marginal.
        came: Number of added candidates.
        went: Number of removed candidates.
    """

    f: np.ndarray
    marginal: np.ndarray
    error: float
    came: int
    went: int


def rescore(
    earlier: PreviousSolution, ids: pl.Series, task: Task, embeddings: TableRef, encoder: str, work: Path
) -> Rescored:
    """Score the added candidates at the g of the earlier solve: one pass over added and removed candidates, no solve.

    Args:
        earlier: The earlier solve.
        ids: Ids of the present candidates, in order.
        task: The task, with its transport settings.
        embeddings: The table of vectors.
        encoder: Key of the vectors.
        work: A folder for the vectors that a pass reads.
    """
    now = pl.DataFrame({"id": ids})
    g, b = earlier.targets["potential"].to_numpy(), earlier.targets["weight"].to_numpy()

    def sweep(changed: pl.DataFrame, name: str) -> TilePass | None:
        if not changed.height:
            return None
        file = work / f"{name}.npy"
        store.load(embeddings, encoder, changed["id"], file)
        return best_pass(build_problem(NpyFile(file), earlier.y, b), task.transport.memory_mb)

    came, went = now.join(earlier.candidates, on="id", how="anti"), earlier.candidates.join(now, on="id", how="anti")
    came = came.sort("id")
    marginal, f = moved_marginal(
        earlier.targets["marginal"].to_numpy(),
        earlier.candidates.height,
        g,
        earlier.epsilon,
        sweep(came, "came"),
        sweep(went, "went"),
    )
    scored = pl.concat([earlier.candidates, came.with_columns(pl.Series("potential", f.astype(np.float64)))])
    found = now.join(scored, on="id", how="left", maintain_order="left")["potential"].to_numpy()
    error = TargetMarginal(b, earlier.relaxation).error(g, marginal)
    log.info("%d candidates added, %d removed: marginal error at the earlier g %.2e", came.height, went.height, error)
    return Rescored(found, marginal, error, came.height, went.height)
