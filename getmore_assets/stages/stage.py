"""A stage of the pipeline as data: what it reads, what its result depends on, and how Dagster shows it.

Belongs here: the shape of an entry of the table (`table.py`), and the cache key that follows from it. Does not: an
entry, which stands in the module of its stage, or making Dagster's definitions from it (`defs/assets.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from getmore_assets.config import Task
from getmore_assets.records import Record, making
from getmore_assets.stages.checks import Check
from getmore_assets.stages.columns import Columns
from getmore_assets.stages.job import Job, StageResult


def _keep_nothing(_job: Job, _last: Record) -> str | None:
    return None


@dataclass(frozen=True)
class Stage:
    """One asset of the pipeline.

    Attributes:
        name: The last part of the asset's key, and the name of the records.
        description: What Dagster shows.
        group: The asset group.
        kinds: The badges in the UI.
        code_version: Raise it where the code makes something else of the same input.
        settings: The part of a task that, besides the inputs, the result depends on.
        make: The work.
        reads: The stages whose results it reads, in the order of the record's lineage.
        reads_if: Of those in `reads`, the stages that only some tasks read, and which tasks do.
        versions: Of those in `reads`, the fact of the record that says what is read; without it the data version.
        keep: Why the last result of the same recipe and of other inputs still serves; None where it does not.
        columns: Of the table; empty where the stage makes a model.
        checks: The asset checks.
        tracked: Whether the making opens an MLflow run.
        on_gpu: Whether the work waits for a place in the pool; a cached result waits for nothing.
        shared: Whether tasks with the same candidates share rows.
        one_at_a_time: Whether only one task may write at a time.
        asks_models: Whether `settings` hash models, which must be on this machine for it.
    """

    name: str
    description: str
    group: str
    kinds: frozenset[str]
    code_version: str
    settings: Callable[[Task], Any]
    make: Callable[[Job], StageResult]
    reads: tuple[str, ...] = ()
    reads_if: Mapping[str, Callable[[Task], bool]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    keep: Callable[[Job, Record], str | None] = _keep_nothing
    columns: Columns = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    tracked: bool = False
    on_gpu: bool = False
    shared: bool = False
    one_at_a_time: bool = False
    asks_models: bool = False

    def inputs(self, task: Task) -> tuple[str, ...]:
        """Return the stages that it reads for a task."""
        return tuple(name for name in self.reads if name not in self.reads_if or self.reads_if[name](task))

    def version(self, record: Record) -> str:
        """Return the version of an input that counts for this stage."""
        fact = self.versions.get(record.stage)
        return str(record.facts[fact]) if fact else record.data_version

    def cache_key(self, task: Task, used: dict[str, str]) -> str:
        """Return the cache key: equal where the same would be made.

        Args:
            task: Whose settings count.
            used: The version of each input.
        """
        return making(self.name, self.code_version, self.settings(task), used)
