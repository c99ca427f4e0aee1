"""An earlier solve of the same target, and how far it serves the target and the pool of today.

Belongs here: reading it back, the drift, and scoring what came with no new solve. Does not: the new solve (`solve.py`),
or how much drift is let pass (`config.Drift`).
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
from getmore_assets.transport.problem import pose
from getmore_assets.transport.rows import NpyFile
from getmore_assets.transport.warm import carried_over, moved_marginal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreviousSolution:
    """A solve as its table holds it.

    Attributes:
        candidates: id and potential, in order of id.
        targets: id, weight, potential and marginal, in order of id.
        y: Vectors of the targets: `[m, d]`, float32.
        epsilon: Absolute.
        relaxation: Of the target marginal, absolute; None for none.
        recipe: Whether it was made with today's settings and code.
    """

    candidates: pl.DataFrame
    targets: pl.DataFrame
    y: np.ndarray
    epsilon: float
    relaxation: float | None
    recipe: bool

    def start(self, ids: list[str], y: np.ndarray) -> np.ndarray:
        """A g (`[m]`) for the targets of today (`[m, d]`) to start from: theirs, or the nearest one that had any."""
        place = {id_: at for at, id_ in enumerate(self.targets["id"])}
        g = self.targets["potential"].to_numpy()
        known = np.array([place.get(id_, -1) for id_ in ids])
        start = np.where(known >= 0, g[known], 0.0)
        if (known < 0).any():
            start[known < 0] = carried_over(g, self.y, y[known < 0])
        return start

    def drift(self, points: pl.DataFrame, y: np.ndarray, memory_mb: int) -> dict[str, float]:
        """How far the targets of today (id, weight; their vectors, `[m, d]`) are from those it was solved for."""
        rows = weight_changed(self.targets, points)
        before, now = (
            Points(vectors, frame["weight"].to_numpy()) for vectors, frame in ((self.y, self.targets), (y, points))
        )
        return {"rows": rows, "distance": divergence(now, before, memory_mb) if rows else 0.0}


def read(spec: EarlierSolve | None, task: Task, embeddings: TableRef, encoder: str) -> PreviousSolution | None:
    """The earlier solve that a spec names; None where it names none."""
    if spec is None:
        return None
    rows = spec.table.of_target(task.name).sort("id")
    targets = rows.filter(pl.col("side") == "target").select("id", "weight", "potential", "marginal").collect()
    candidates = rows.filter(pl.col("side") == "candidate").select("id", "potential").collect()
    y = store.load(embeddings, encoder, targets["id"])
    return PreviousSolution(candidates, targets, y, spec.epsilon, spec.relaxation, spec.same_recipe)


@dataclass(frozen=True)
class Rescored:
    """Potentials at the g of an earlier solve: of every candidate of today.

    Attributes:
        f: In order of the candidates: `[n]`, float64.
        marginal: Of the targets it was solved for: `[m]`, float64.
        error: L1 error of that marginal.
        came: Candidates that were scored.
        went: Candidates that left.
    """

    f: np.ndarray
    marginal: np.ndarray
    error: float
    came: int
    went: int


def rescore(
    earlier: PreviousSolution, ids: pl.Series, task: Task, embeddings: TableRef, encoder: str, work: Path
) -> Rescored:
    """Score the candidates that came at the g of the earlier solve; a pass over what came and what went, no solve.

    Args:
        earlier: The solve.
        ids: Of the candidates of today, in order.
        task: Its transport settings.
        embeddings: The vectors.
        encoder: Whose.
        work: A folder for the vectors that a pass reads.
    """
    now = pl.DataFrame({"id": ids})
    g, b = earlier.targets["potential"].to_numpy(), earlier.targets["weight"].to_numpy()

    def sweep(changed: pl.DataFrame, name: str) -> TilePass | None:
        if not changed.height:
            return None
        file = work / f"{name}.npy"
        store.load(embeddings, encoder, changed["id"], file)
        return best_pass(pose(NpyFile(file), earlier.y, b), task.transport.memory_mb)

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
    log.info("%d candidates came, %d went: marginal error at the earlier g %.2e", came.height, went.height, error)
    return Rescored(found, marginal, error, came.height, went.height)
