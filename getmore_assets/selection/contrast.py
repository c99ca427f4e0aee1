"""Contrast: the potentials against a negative target, from which the selection moves away (paper, section 3.1).

Belongs here: the second transport problem, between pool and `target.negative`. Does not: the first (`ot_potentials`).
"""

import numpy as np

from getmore_assets.corpus.target import points_of
from getmore_assets.encoders import store
from getmore_assets.errors import BadInput
from getmore_assets.json_models import JsonObject
from getmore_assets.selection.context import SelectionContext
from getmore_assets.transport.passes import best_pass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import solve


def potentials(context: SelectionContext) -> tuple[np.ndarray, JsonObject]:
    """Return the potential of each candidate against the negative target, `[n]`, float64, and facts of the solve.

    A high potential means that weight on the candidate moves the pool away from the negative target.

    Raises:
        BadInput: The task has no negative target.
    """
    points = points_of(context.tables.target_data, context.task.name, "negative", context.without_vector)
    if not points.height:
        raise BadInput("target.negative", "is not given, and the selector `contrast` needs it", "Give negative rows")
    y = store.load(context.tables.embeddings, context.encoder, points["id"])
    settings = context.task.transport
    problem = build_problem(context.x, y, points["weight"].to_numpy())
    epsilon, relaxation = settings.absolute(problem.mean_cost)
    tile_pass = best_pass(problem, settings.memory_mb)
    solution = solve(
        tile_pass, epsilon, tolerance=settings.tolerance, max_passes=settings.max_passes, relaxation=relaxation
    )
    facts = {"negative_rows": points.height, "negative_marginal_error": solution.error}
    return solution.f.astype(np.float64), facts
