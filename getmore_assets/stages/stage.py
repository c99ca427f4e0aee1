"""A stage of the pipeline as data: its function, inputs, settings, columns and checks.

Belongs here: the type of an entry of the table (`table.py`), and the cache key. Does not: the entries, which are in the
stages' modules, or their Dagster definitions (`defs/assets.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from getmore_assets.config import Task
from getmore_assets.records import Record, cache_key
from getmore_assets.stages.checks import Check
from getmore_assets.stages.columns import Columns
from getmore_assets.stages.stage_context import StageContext, StageResult


def _never_keep(_context: StageContext, _last: Record) -> str | None:
    return None


@dataclass(frozen=True)
class Stage:
    """One asset of the pipeline.

    Attributes:
        name: The last part of the asset key, and the name of the records.
        description: The asset's description.
        group: The asset group.
        kinds: The badges in the UI.
        code_version: Raise it if the code computes a different result from the same inputs.
        settings: Returns the part of a task that the result depends on, besides the inputs.
        compute: Computes the stage.
        reads: The stages whose results this stage reads, in the order of the record's lineage.
        reads_if: For stages in `reads` that only some tasks read: whether a task reads them.
        versions: For some stages in `reads`: the fact in the record that replaces the data version in the cache key.
        keep: Returns why the last result may be kept although its inputs have changed, or None.
        columns: The columns of the table; empty for a stage that writes a model.
        checks: The asset checks.
        tracked: Whether computing the stage opens an MLflow run.
        on_gpu: Whether computing the stage waits for a slot of the GPU pool.
        shared: Whether tasks with the same candidates share rows.
        one_at_a_time: Whether only one task may write at a time.
        hashes_models: Whether `settings` hashes models, which must then be on this machine.
    """

    name: str
    description: str
    group: str
    kinds: frozenset[str]
    code_version: str
    settings: Callable[[Task], Any]
    compute: Callable[[StageContext], StageResult]
    reads: tuple[str, ...] = ()
    reads_if: Mapping[str, Callable[[Task], bool]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    keep: Callable[[StageContext, Record], str | None] = _never_keep
    columns: Columns = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    tracked: bool = False
    on_gpu: bool = False
    shared: bool = False
    one_at_a_time: bool = False
    hashes_models: bool = False

    def inputs(self, task: Task) -> tuple[str, ...]:
        """Return the stages that the stage reads for a task."""
        return tuple(name for name in self.reads if name not in self.reads_if or self.reads_if[name](task))

    def version(self, record: Record) -> str:
        """Return the version of an input that goes into this stage's cache key."""
        fact = self.versions.get(record.stage)
        return str(record.facts[fact]) if fact else record.data_version

    def cache_key(self, task: Task, used: dict[str, str]) -> str:
        """Return the cache key; equal keys mean equal results.

        Args:
            task: The task.
            used: The version of each input.
        """
        return cache_key(self.name, self.code_version, self.settings(task), used)
