"""Asking selectors for their rankings: for the selected subset, and for those that it is compared with.

Belongs here: what the select worker is asked, and where its answers lie. Does not: what is made of them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from getmore_assets.config import Budget, Selector, Task
from getmore_assets.records import Record
from getmore_assets.selection import imported
from getmore_assets.stages.job import Job

#: Of all selectors together: to be raised where one of them chooses otherwise than before.
CODE_VERSION = "7"


@dataclass(frozen=True)
class Asked:
    """A selector that is asked for a ranking.

    Attributes:
        selector: With its settings.
        budget: How much will be taken.
        path: Where the answer lies, without suffix.
    """

    selector: Selector
    budget: Budget
    path: Path

    def rows(self) -> pl.DataFrame:
        """The candidates by rank, with scores."""
        return pl.read_parquet(self.path.with_suffix(".parquet"))

    def facts(self) -> dict[str, Any]:
        """What else the selector found out."""
        facts: dict[str, Any] = json.loads(self.path.with_suffix(".json").read_text("utf-8"))
        return facts


def rankings(job: Job, asked: list[Asked]) -> list[Asked]:
    """Have every ranking made that is not there."""
    todo = [one for one in asked if not one.path.with_suffix(".json").is_file()]
    if todo:
        base = job.inputs.get("base_model")
        job.launch("select", spec(todo, job.inputs["embeddings"], job.inputs["ot_potentials"], base))
    return asked


def spec(asked: list[Asked], embeddings: Record, potentials: Record, base: Record | None) -> dict[str, Any]:
    """What the select worker is asked, beside the tables it chooses from."""
    choices = [
        {
            "selector": one.selector.model_dump(mode="json", exclude_unset=True),
            "budget": one.budget.model_dump(mode="json", exclude_unset=True),
            "path": str(one.path),
        }
        for one in asked
    ]
    return {
        "choices": choices,
        "encoder": embeddings.facts["encoder"],
        "epsilon": potentials.facts["epsilon"],
        "relaxation": potentials.facts.get("relaxation"),
        "base": base.folders["model"] if base else None,
    }


def imported_version(chosen: Selector, task: Task) -> list[str]:
    """The data versions of what other tools chose."""
    return [imported.version(one, task) for one in chosen.imports]
