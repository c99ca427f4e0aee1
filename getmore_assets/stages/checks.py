"""What an asset check of a stage is, and what it may look at.

Belongs here: how a check is declared. Does not: what a stage is checked for, which stands in the module of the stage,
or how Dagster shows it (`defs/assets.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from getmore_assets.config import Task
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records


@dataclass(frozen=True)
class Finding:
    """What a check found: whether what must hold does, and JSON-like values that were measured."""

    passed: bool
    metadata: JsonObject


@dataclass(frozen=True)
class Checked:
    """What a check looks at: a task, and what the stages left of it."""

    task: Task
    stage: str

    @property
    def record(self) -> Record:
        """The record of the stage that is checked."""
        return self.of(self.stage)

    @property
    def rows(self) -> pl.LazyFrame:
        """The rows of the stage's table that are the target's."""
        return self.record.table_ref().of_target(self.task.name)

    def of(self, stage: str) -> Record:
        """Return the record of any stage.

        Raises:
            BadInput: It has not been made.
        """
        return Records(Lake(self.task.lake), self.task.name).require(stage, made_first(stage))


def made_first(stage: str) -> str:
    """Return what to do where a stage has not been made."""
    return f"Materialize {stage} first, or run the pipeline"


Evaluate = Callable[[Checked], Finding]


@dataclass(frozen=True)
class Check:
    """An asset check of one target.

    Attributes:
        name: Of the check.
        description: What must hold.
        evaluate: Looks whether it holds.
        blocking: Whether later stages wait for it. A check that does not block gives advice.
        reads: Other stages that it looks at.
        looks_outside: Whether it depends on more than the records of its stage and of those before, such as a source
            or earlier materializations. Another check's last result stands as long as these records do.
        stage: Whose check it is; the table (`table.py`) says it.
    """

    name: str
    description: str
    evaluate: Evaluate
    blocking: bool = False
    reads: tuple[str, ...] = ()
    looks_outside: bool = False
    stage: str = ""


def check(*, description: str = "", blocking: bool = False, reads: tuple[str, ...] = ()) -> Callable[[Evaluate], Check]:
    """Declare a check by a function: its name and, where `description` is not given, its docstring are the check's."""

    def declare(evaluate: Evaluate) -> Check:
        said = description or " ".join((evaluate.__doc__ or "").split())
        return Check(evaluate.__name__, said, evaluate, blocking, reads)

    return declare
