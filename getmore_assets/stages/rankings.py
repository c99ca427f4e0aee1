"""Asking selectors for their rankings: for the selected subset, and for those that it is compared with.

Belongs here: what the select worker is asked, and where its answers lie. Does not: what is made of them.
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
from getmore_assets.stages.job import Job
from getmore_assets.workers.contracts import SELECT, AskedRanking, OfStage, SelectSpec

#: Of all selectors together: to be raised where one of them chooses otherwise than before.
CODE_VERSION = "7"


class RankingRequest(AskedRanking):
    """A selector that is asked for a ranking, and what it answered."""

    def rows(self) -> pl.DataFrame:
        """The candidates by rank, with scores."""
        return pl.read_parquet(self.path.with_suffix(".parquet"))

    def facts(self) -> RankingFacts:
        """What else the selector found out."""
        return RankingFacts.model_validate_json(self.path.with_suffix(".json").read_text("utf-8"))


def rankings(job: Job, asked: list[RankingRequest]) -> list[RankingRequest]:
    """Have every ranking made that is not there."""
    todo = [one for one in asked if not one.path.with_suffix(".json").is_file()]
    if todo:
        job.launch(SELECT, spec(job.common, job.table, todo, job.inputs["ot_potentials"], job.inputs.get("base_model")))
    return asked


def spec(
    common: OfStage,
    table: Callable[[str], TableRef],
    asked: list[RankingRequest],
    potentials: Record,
    base: Record | None,
) -> SelectSpec:
    """What the select worker is asked.

    Args:
        common: Of the job.
        table: Of each stage that it chooses from, by name.
        asked: The rankings.
        potentials: The record of the solve, which names the encoder, too.
        base: The record of the base model, where a selector asks it.
    """
    solved = PotentialsFacts.of(potentials)
    return SelectSpec(
        **common,
        **{name: table(name) for name in Tables.__dataclass_fields__},
        encoder=solved.encoder,
        epsilon=solved.epsilon,
        relaxation=solved.relaxation,
        base=Path(base.folders["model"]) if base else None,
        choices=list(asked),
    )


def imported_version(chosen: Selector, task: Task) -> list[str]:
    """The data versions of what other tools chose."""
    return [imported.version(one, task) for one in chosen.imports]
