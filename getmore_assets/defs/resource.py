"""The Dagster resource behind all assets: loads the task of a run and materializes its stages.

Belongs here: the parts that need Dagster. Does not: caching and computing (`stages/materializing.py`).
"""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial

import dagster as dg

from getmore_assets.config import Task
from getmore_assets.defs import runs
from getmore_assets.defs.asset_metadata import column_lineage, materialize_result
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.defs.pools import pool_slot
from getmore_assets.defs.upstream import EMPTY, Load, resolve_sources
from getmore_assets.errors import BadInput, WorkerKilledError
from getmore_assets.lake import Lake
from getmore_assets.stages.materializing import materialize
from getmore_assets.stages.stage import Stage

_CONFIG = {
    "task_file": dg.Field(
        str, default_value="", description="the task file; empty: the target's file in the tasks folder"
    ),
    "overrides": dg.Field(
        [str], default_value=[], description="changes to the task file, such as `selection.budget.rows=500`"
    ),
}


@dataclass(frozen=True)
class GetmoreResource:
    """The pipeline in one run.

    Attributes:
        pipeline: The pipeline of the project.
        target: The run's partition, which names the task; None in a project without partitions.
        instance: The Dagster instance.
        task_file: The task file; empty for the target's file in the tasks folder.
        overrides: Changes to the task file, such as `selection.budget.rows=500`.
    """

    pipeline: Pipeline
    target: str | None
    instance: dg.DagsterInstance
    task_file: str = ""
    overrides: list[str] = field(default_factory=list)

    def task(self, load: Mapping[dg.AssetKey, Load] = EMPTY) -> Task:
        """Return the task of this run, with paths in place of source assets; `load` as in `resolve_sources`.

        Raises:
            BadInput: No task, or more than one, has the name of the partition.
        """
        return resolve_sources(self.pipeline.task(self.target, self.overrides, self.task_file), self.instance, load)

    def materialize(self, context: dg.AssetExecutionContext, stage: Stage) -> dg.MaterializeResult:
        """Materialize a stage and return its record as metadata."""
        try:
            deps = self.pipeline.upstream.get(stage.name, ())
            # Loading opens instances that Dagster closes late and out of order. Each then sets a context variable back
            # to the storage of an instance that is gone, and in this process no definitions could be loaded any more.
            load = partial(copy_context().run, context.load_asset_value)
            task = self.task({dep.asset_key: load for dep in deps})
            gpu_slot = partial(pool_slot, context, self.pipeline.pool)
            record, status = materialize(stage, task, context.run.run_id, gpu_slot, self.pipeline.tracking)
        except WorkerKilledError:
            context.instance.add_run_tags(context.run.run_id, {runs.INTERRUPTED: stage.name})
            raise
        return materialize_result(record, status, column_lineage(stage, task, self.pipeline.key))


def resource(pipeline: Pipeline) -> dg.ResourceDefinition:
    """Return the definition of the resource, which writes a heartbeat for the run while the process lives."""

    @dg.resource(config_schema=_CONFIG, description="The task file of a partition, and changes to it.")
    def getmore(context: dg.InitResourceContext) -> Iterator[GetmoreResource]:
        run, instance = context.run, context.instance
        target = run.tags.get(runs.PARTITION) if run else None
        assert instance is not None
        of_run = GetmoreResource(pipeline, target, instance, **context.resource_config)
        try:
            lake = Lake(pipeline.task(target, of_run.overrides, of_run.task_file).lake) if run else None
        except BadInput:  # the stage raises it again
            lake = None
        if lake and target and target not in pipeline.targets(instance):  # `dagster job execute` adds no partition
            pipeline.add(target, instance)
        with runs.heartbeat(instance, run, lake, pipeline.tags) if run and lake else nullcontext():
            yield of_run

    return getmore
