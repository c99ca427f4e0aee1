"""The resource behind all assets: which task a run means, and materializing a stage of it.

Belongs here: what is Dagster's about that. Does not: reuse and work (`stages/materializing.py`).
"""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

import dagster as dg

from getmore_assets.config import Task
from getmore_assets.defs import runs
from getmore_assets.defs.asset_metadata import column_lineage, materialisation
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.defs.pools import place_in_pool
from getmore_assets.defs.upstream import EMPTY, Load, located
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.launch import WorkerKilledError
from getmore_assets.stages.materializing import materialize
from getmore_assets.stages.stage import Stage

_CONFIG = {
    "task_file": dg.Field(
        str, default_value="", description="the task file; empty: the one of that name in the tasks folder"
    ),
    "overrides": dg.Field(
        [str], default_value=[], description="changes to the task file, as `selection.budget.rows=500`"
    ),
}


@dataclass(frozen=True)
class Line:
    """The pipeline in one run: which task the run's partition means, and with which changes."""

    pipeline: Pipeline
    target: str | None
    instance: dg.DagsterInstance
    task_file: str = ""
    overrides: list[str] = field(default_factory=list)

    def task(self, load: Mapping[dg.AssetKey, Load] = EMPTY) -> Task:
        """Return the task of this run, with the place of each source that is an asset; `load` as in `located`.

        Raises:
            BadInput: No task, or more than one, has the name of the partition.
        """
        return located(self.pipeline.task(self.target, self.overrides, self.task_file), self.instance, load)

    def materialise(self, context: dg.AssetExecutionContext, stage: Stage) -> dg.MaterializeResult:
        """Materialize a stage, as `materializing.materialize` does, and show its record."""
        try:
            deps = self.pipeline.upstream.get(stage.name, ())
            task = self.task({dep.asset_key: context.load_asset_value for dep in deps})
            turn = partial(place_in_pool, context, self.pipeline.pool)
            record, status = materialize(stage, task, context.run.run_id, turn, self.pipeline.tracking)
        except WorkerKilledError:
            context.instance.add_run_tags(context.run.run_id, {runs.INTERRUPTED: stage.name})
            raise
        return materialisation(record, status, column_lineage(stage, task, self.pipeline.key))


def resource(pipeline: Pipeline) -> dg.ResourceDefinition:
    """Return the resource behind the stages: the `Line` of a run, which gives signs of life while the process lives."""

    @dg.resource(config_schema=_CONFIG, description="Which task file a partition means, and with which changes.")
    def line(context: dg.InitResourceContext) -> Iterator[Line]:
        run, instance = context.run, context.instance
        target = run.tags.get(runs.PARTITION) if run else None
        assert instance is not None
        found = Line(pipeline, target, instance, **context.resource_config)
        try:
            lake = Lake(pipeline.task(target, found.overrides, found.task_file).lake) if run else None
        except BadInput:  # the stage says it, in its place
            lake = None
        if lake and target and target not in pipeline.targets(instance):  # as with `dagster job execute`
            pipeline.add(target, instance)
        # So that others can tell a living run from a dead one.
        with runs.signs_of_life(instance, run, lake, pipeline.tags) if run and lake else nullcontext():
            yield found

    return line
