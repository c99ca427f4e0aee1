"""Vectors of texts and transport potentials of arrays in memory, without a lake.

Belongs here: `embed` and `solve` as functions of texts and arrays. Does not: encoders or the solver.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from getmore_assets.json_models import JsonObject
from getmore_assets.task_parsing import task_of

if TYPE_CHECKING:
    from getmore_assets.transport.solver import Solution

#: Required fields of a task that an encoder does not read.
_UNREAD: JsonObject = {"name": "embed", "candidates": ["memory"], "target": {"train": "memory"}}


def embed(texts: Sequence[str], *, model: str = "lexical", **settings: Any) -> np.ndarray:
    """Return a vector of unit length for each text.

    Args:
        texts: Non-empty strings.
        model: `lexical`, which is fitted on these texts, `minilm`, a folder, or a name on the hub.
        **settings: Any other field of `encoder` in the task file, such as `dimensions=128`.

    Returns:
        `[len(texts), d]`, float32; a row of zeros for a text without any token that the encoder knows.

    Raises:
        BadInput: The model is not on this machine or the hub, or a setting is unknown.
    """
    from getmore_assets.encoders import make_encoder

    fields = {**_UNREAD, "encoder": {"model": model, **settings}}
    task, texts = task_of(fields, (), "the arguments"), list(texts)
    with TemporaryDirectory(prefix="getmore-embed-") as folder:
        return make_encoder(task, Path(folder) / "fitted", texts).encode(texts)


def solve(
    candidates: np.ndarray,
    target: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    epsilon: float = 0.05,
    tolerance: float = 1e-3,
    memory_mb: int = 1024,
) -> "Solution":
    """Solve the entropic optimal transport between candidates and a target, as the pipeline does.

    GOT-D selects the candidates with the lowest f first.

    Args:
        candidates: Vectors of unit length, in random order: `[n, d]`, float32.
        target: Vectors of unit length: `[m, d]`, float32.
        weights: Weights of the target's rows: `[m]`; None for equal weights.
        epsilon: Entropic regularisation, as a multiple of the mean cost.
        tolerance: L1 error of the target marginal at which to stop.
        memory_mb: Memory limit of a pass, in MiB.

    Returns:
        The solution: f `[n]` and g `[m]`, the marginal, and the evidence of convergence.

    Raises:
        NotConvergedError: The tolerance was not reached.
    """
    from getmore_assets.transport.passes import best_pass
    from getmore_assets.transport.problem import build_problem
    from getmore_assets.transport.solver import solve as solve_problem

    problem = build_problem(np.asarray(candidates, np.float32), target, weights)
    return solve_problem(best_pass(problem, memory_mb), epsilon * problem.mean_cost, tolerance=tolerance)
