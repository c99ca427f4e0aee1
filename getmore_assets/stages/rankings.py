"""Rankings of selectors, computed by the select worker: for the selected subset, and for the compared selectors.

Belongs here: the worker's spec, and reading its results. Does not: taking rows from a ranking (`selected_subset.py`,
`comparison.py`).
"""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from getmore_assets.config import Selector, Task
from getmore_assets.facts import PotentialsFacts, RankingFacts
from getmore_assets.lake import TableRef
from getmore_assets.records import Record
from getmore_assets.selection import imported
from getmore_assets.selection.context import Tables
from getmore_assets.stages.stage_context import StageContext
from getmore_assets.workers.contracts import SELECT, AskedRanking, OfStage, SelectSpec

#: The code version of all selectors. Raise it if any selector ranks differently.
CODE_VERSION = "7"


class RankingRequest(AskedRanking):
    """A selector, a budget, and the path of the ranking."""

    def ranked(self) -> pl.LazyFrame:
        """Scan the candidates, in order of id: rank, id, source, domain, n_tokens, score."""
        return pl.scan_parquet(self.path.with_suffix(".parquet"))

    def facts(self) -> RankingFacts:
        """Return the metadata of the ranking."""
        return RankingFacts.model_validate_json(self.path.with_suffix(".json").read_text("utf-8"))


def rank(context: StageContext, requests: list[RankingRequest]) -> None:
    """Compute each ranking that has not been computed yet."""
    todo = [request for request in requests if not request.path.with_suffix(".json").is_file()]
    if todo:
        inputs = context.inputs
        spec = select_spec(context.common, context.table, todo, inputs["ot_potentials"], inputs.get("base_model"))
        context.launch(SELECT, spec)


def select_spec(
    common: OfStage,
    table: Callable[[str], TableRef],
    requests: list[RankingRequest],
    potentials: Record,
    base: Record | None,
) -> SelectSpec:
    """Return the spec of the select worker.

    Args:
        common: The fields that every worker's spec has.
        table: Function from a stage's name to its table.
        requests: The rankings to compute.
        potentials: The record of `ot_potentials`.
        base: The record of the base model, if a selector uses it.
    """
    solved = PotentialsFacts.of(potentials)
    return SelectSpec(
        **common,
        **{name: table(name) for name in Tables.__dataclass_fields__},
        encoder=solved.encoder,
        epsilon=solved.epsilon,
        relaxation=solved.relaxation,
        base=Path(base.folders["model"]) if base else None,
        choices=list(requests),
    )


def imported_version(selector: Selector, task: Task) -> list[str]:
    """Return the data versions of the files with other tools' selections."""
    return [imported.version(source, task) for source in selector.imports]
