"""Let selectors rank the candidates.

Belongs here: from tables to rankings in files. Does not: selectors (`selection/`).
"""

import json
import logging
import time

import numpy as np
import polars as pl

from getmore_assets.lake import Lake
from getmore_assets.records import write_atomically
from getmore_assets.selection.context import SelectionContext, Tables
from getmore_assets.selection.rounds import plan_of
from getmore_assets.selection.selectors import rank
from getmore_assets.workers import run
from getmore_assets.workers.contracts import Selected, SelectSpec

log = logging.getLogger(__name__)


def select(spec: SelectSpec) -> Selected:
    """Write the ranking of each choice to `<path>.parquet`, and its facts to `<path>.json`.

    A ranking whose files exist is not computed again: an interrupted worker resumes with the next ranking.
    """
    context = SelectionContext(
        spec.task,
        Lake(spec.lake),
        Tables(**{name: getattr(spec, name) for name in Tables.__dataclass_fields__}),
        spec.encoder,
        spec.epsilon,
        spec.base,
        spec.work,
        relaxation=spec.relaxation,
    )
    for choice in spec.choices:
        path, chosen = choice.path, choice.selector
        if path.with_suffix(".json").is_file():
            continue
        log.info("selector %s: ranking %d candidates", chosen.called, context.count)
        context.spared.clear()
        began = time.monotonic()
        ranked = rank(context, chosen, choice.budget)
        ranked.write(path.with_suffix(".parquet"), context.found.pieces("source", "domain", "n_tokens"))
        facts = {**ranked.facts, "rank_seconds": time.monotonic() - began + sum(context.spared)}
        write_atomically(path.with_suffix(".json"), json.dumps(facts))
    distances = {}
    if spec.share is not None:
        distances = {name: _distance(context, ids, spec.share) for name, ids in spec.measured.items()}
    return Selected(choices=len(spec.choices), distances=distances)


def _distance(context: SelectionContext, ids: list[str], share: float) -> float:
    """Return the entropic OT(λ D_U + (1 - λ) D_S, D_R) of a subset, at the ε of the potentials (paper, Eq. 7).

    Raises:
        LookupError: An id is not the id of a candidate.
    """
    positions = context.found.index(context.work).find(pl.Series(ids, dtype=pl.String))
    if absent := int(np.count_nonzero(positions < 0)):
        raise LookupError(f"{absent} of {len(ids)} rows are no candidates")
    return plan_of(context).solve(positions, share, None).dual


if __name__ == "__main__":
    run(select)
