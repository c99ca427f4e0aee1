"""Rows of the transport plan: the target rows that get most of a candidate's mass.

Belongs here: computing the plan's rows of some candidates from the potentials. Does not: their use (`choice.py`,
`explain.py`).
"""

import numpy as np
import polars as pl

from getmore_assets.config import Task
from getmore_assets.encoders import store
from getmore_assets.selection.context import Tables

NEAREST = 3
_BLOCK = 512


def nearest_targets_of(
    task: Task, tables: Tables, encoder: str, epsilon: float, ids: list[str]
) -> tuple[list[list[str]], list[list[float]]]:
    """Return for each candidate the target rows that get most of its mass, and their shares of it, 0 to 1.

    Args:
        task: The task.
        tables: The tables of vectors and potentials.
        encoder: Key of the encoder whose vectors the potentials were solved with.
        epsilon: Regularisation of that solve, absolute.
        ids: The ids of the candidates.
    """
    rows = tables.ot_potentials.of_target(task.name).filter(pl.col("side") == "target")
    points = rows.sort("id").select("id", "weight", "potential").collect()
    names = list(dict.fromkeys([*ids, *points["id"]]))
    vectors, index = store.load(tables.embeddings, encoder, names), {id_: at for at, id_ in enumerate(names)}
    x, y = (vectors[[index[id_] for id_ in side]] for side in (ids, points["id"]))
    g, b, target_ids = points["potential"].to_numpy(), points["weight"].to_numpy(), points["id"].to_numpy()
    nearest: list[list[str]] = []
    shares: list[list[float]] = []
    for start in range(0, len(ids), _BLOCK):
        indices, mass = nearest_targets(x[start : start + _BLOCK], y, g, b, epsilon, NEAREST)
        nearest += target_ids[indices].tolist()
        shares += mass.tolist()
    return nearest, shares


def nearest_targets(
    x: np.ndarray, y: np.ndarray, g: np.ndarray, b: np.ndarray, epsilon: float, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k targets to which the plan sends most of each row's mass, and their shares of it.

    Args:
        x: Rows: `[n, d]`, unit length. The whole cost matrix is in memory, so pass one block of rows.
        y: Targets: `[m, d]`, unit length.
        g: Target potential: `[m]`.
        b: Target weights: `[m]`.
        epsilon: The regularisation, absolute.
        k: Number of targets, at most m.

    Returns:
        Indices of the targets, largest share first: `[len(x), k]`, int64; and shares of the row's mass: `[len(x), k]`,
        float32.
    """
    with np.errstate(divide="ignore"):
        mass = (2 * x @ y.T + g.astype(np.float32)) / np.float32(epsilon) + np.log(b).astype(np.float32)
    k = min(k, mass.shape[1])
    top = np.argpartition(-mass, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(mass, top, axis=1), axis=1, kind="stable")
    indices = np.take_along_axis(top, order, axis=1)
    mass = np.exp(mass - mass.max(1, keepdims=True))
    return indices, np.take_along_axis(mass, indices, axis=1) / mass.sum(1, keepdims=True)
