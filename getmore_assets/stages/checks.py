"""Asset checks as data: the check, its context and its result.

Belongs here: declaring a check. Does not: the checks of a stage, which are in the stage's module, or their Dagster
definitions (`defs/assets.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from getmore_assets.config import Task
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records


@dataclass(frozen=True)
class CheckResult:
    """The result of a check: whether it passed, and the measured values as JSON-like metadata."""

    passed: bool
    metadata: JsonObject


@dataclass(frozen=True)
class CheckContext:
    """The task and the stage that a check is evaluated for."""

    task: Task
    stage: str

    @property
    def record(self) -> Record:
        """The record of the stage."""
        return self.record_of(self.stage)

    @property
    def rows(self) -> pl.LazyFrame:
        """The target's rows of the stage's table."""
        return self.record.table_ref().of_target(self.task.name)

    def record_of(self, stage: str) -> Record:
        """Return the record of any stage.

        Raises:
            BadInput: The stage has not been materialized.
        """
        return Records(Lake(self.task.lake), self.task.name).require(stage, materialize_first(stage))


def materialize_first(stage: str) -> str:
    """Return the fix to suggest if a stage has not been materialized."""
    return f"Materialize {stage} first, or run the pipeline"


Evaluate = Callable[[CheckContext], CheckResult]


@dataclass(frozen=True)
class Check:
    """An asset check of one target.

    Attributes:
        name: The name of the check.
        description: The condition that must hold.
        evaluate: Evaluates the check.
        blocking: Whether a failed check stops later stages; otherwise it is a warning.
        reads: Other stages that the check reads.
        cacheable: Whether the result depends only on the records of the stage and of the stages before it. A check of
            sources or of earlier materializations is not cacheable.
        stage: The stage of the check; set by `table.py`.
    """

    name: str
    description: str
    evaluate: Evaluate
    blocking: bool = False
    reads: tuple[str, ...] = ()
    cacheable: bool = True
    stage: str = ""


def check(*, description: str = "", blocking: bool = False, reads: tuple[str, ...] = ()) -> Callable[[Evaluate], Check]:
    """Turn a function into a check named like the function; `description` defaults to the docstring."""

    def declare(evaluate: Evaluate) -> Check:
        text = description or " ".join((evaluate.__doc__ or "").split())
        return Check(evaluate.__name__, text, evaluate, blocking, reads)

    return declare
