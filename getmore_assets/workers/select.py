"""Let selectors rank the candidates.

Belongs here: from tables to rankings in files, each made once. Does not: selectors (`selection/`).
"""

import json
import logging
import time
from pathlib import Path
from typing import Any

import polars as pl

from getmore_assets.config import Budget, Selector, Task
from getmore_assets.lake import Lake, TableRef
from getmore_assets.records import write_atomically
from getmore_assets.selection.ground import Ground, Tables
from getmore_assets.selection.rounds import plan_of
from getmore_assets.selection.selectors import rank
from getmore_assets.workers import run

log = logging.getLogger(__name__)


def select(spec: dict[str, Any]) -> dict[str, Any]:
    """Write each choice's ranking beside its facts, at `<path>.parquet` and `<path>.json`.

    A ranking that is there is not made again, so that what was cut off goes on where it stopped.

    Returns:
        choices (how many), and distances: of each set of ids that `spec["measured"]` names.
    """
    tables = Tables(**{name: TableRef(**spec[name]) for name in Tables.__dataclass_fields__})
    ground = Ground(
        Task.model_validate(spec["task"]),
        Lake(spec["lake"]),
        tables,
        spec["encoder"],
        spec["epsilon"],
        Path(spec["base"]) if spec["base"] else None,
        Path(spec["work"]),
        relaxation=spec["relaxation"],
    )
    for choice in spec["choices"]:
        path = Path(choice["path"])
        if path.with_suffix(".json").is_file():
            continue
        chosen = Selector.model_validate(choice["selector"])
        log.info("selector %s: ranking %d candidates", chosen.called, ground.eligible.height)
        ground.spared.clear()
        began = time.monotonic()
        ranked = rank(ground, chosen, Budget.model_validate(choice["budget"]))
        partial = path.with_suffix(".partial")
        ranked.rows.write_parquet(partial)
        partial.replace(path.with_suffix(".parquet"))
        facts = {**ranked.facts, "rank_seconds": time.monotonic() - began + sum(ground.spared)}
        write_atomically(path.with_suffix(".json"), json.dumps(facts))
    distances = {name: _distance(ground, ids, spec["lambda"]) for name, ids in spec.get("measured", {}).items()}
    return {"choices": len(spec["choices"]), "distances": distances}


def _distance(ground: Ground, ids: list[str], share: float) -> float:
    """OT(λ D_U + (1 - λ) D_S, D_R) of a subset, entropic, at the ε of the potentials (paper, Eq. 7).

    Raises:
        LookupError: One of the ids is no candidate's.
    """
    place = ground.eligible.select("id", place=pl.int_range(pl.len()))
    met = pl.DataFrame({"id": ids}).join(place, on="id", how="left", maintain_order="left")["place"]
    if met.null_count():
        raise LookupError(f"{met.null_count()} of {len(ids)} rows are no candidates")
    return plan_of(ground).solve(met.to_numpy(), share, None).dual


if __name__ == "__main__":
    run(select)
