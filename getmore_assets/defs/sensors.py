"""The sensors that run the pipeline when the sources of a target or a pool change.

Belongs here: the definitions and evaluation of these sensors. Does not: their cursors, and which targets to run
(`reselection/sensor_state.py`), or the partitions (`partition_sensor.py`).
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from getmore_assets.config import Task
from getmore_assets.corpus import pool, readers, target
from getmore_assets.defs import failed_targets, runs
from getmore_assets.defs.partition_sensor import EVERY_S, partition_sensor
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.defs.upstream import resolve_sources
from getmore_assets.delta_versions import Seen
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, newest_version
from getmore_assets.records import Records
from getmore_assets.reselection import approval
from getmore_assets.reselection.sensor_state import LastRequest, SensorCursor, targets_to_run
from getmore_assets.reselection.version_cache import VersionCache

_CLOCK_SKEW_S = 300  # largest difference between the clocks of machines that record the end of runs
#: The sensors that start runs: name, versions of the watched sources, whether it is the primary sensor, description.
_SENSORS = (
    (
        "target_changes",
        VersionCache(lambda task: target.sources_of(task).values(), target.source_version),
        True,
        "Runs the pipeline for every new target, and again for each new version of a target's data, after the target's "
        "last run has ended. A run reads the version that the sensor saw. Compaction and vacuum make no new version. "
        "If the task requires an approval, the run ends with the subset, and another run continues once the subset "
        "is approved.",
    ),
    (
        "pool_changes",
        VersionCache(lambda task: task.candidates, pool.source_version),
        False,
        "Runs the pipeline for every target whose candidate pool has new rows. Only the new rows are encoded, and "
        "they are scored without a solve if the marginal error allows it.",
    ),
)
#: `GETMORE_SENSORS=RUNNING` switches these sensors on at start; otherwise they are switched on in the UI.
_STATUS = dg.DefaultSensorStatus(os.environ.get("GETMORE_SENSORS", "STOPPED"))


def sensors(pipeline: Pipeline, jobs: Sequence[Any]) -> list[dg.SensorDefinition]:
    """Return the sensors of a pipeline with dynamic partitions or without partitions.

    Args:
        pipeline: The pipeline.
        jobs: The asset jobs that the sensors request.
    """
    watching = [_changes(pipeline, jobs, *sensor) for sensor in _SENSORS]
    return [partition_sensor(pipeline), *watching] if pipeline.partitions else watching


def _changes(
    pipeline: Pipeline, jobs: Sequence[Any], name: str, versions: VersionCache, primary: bool, description: str
) -> dg.SensorDefinition:
    @dg.sensor(
        name=pipeline.named(name),
        jobs=jobs,
        minimum_interval_seconds=EVERY_S,
        default_status=_STATUS,
        description=description,
    )
    def changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return _Evaluation(context, pipeline, SensorCursor.load(context.cursor)).result(versions, primary)

    return changes


@dataclass
class _Evaluation:
    """One evaluation of a sensor that starts runs."""

    context: dg.SensorEvaluationContext
    pipeline: Pipeline
    cursor: SensorCursor

    def result(self, versions: VersionCache, primary: bool) -> dg.SensorResult | dg.SkipReason:
        """Request runs for changed targets. Only the primary sensor runs new targets and approved selections."""
        context, pipeline, cursor, began = self.context, self.pipeline, self.cursor, time.time()
        tasks, problems = pipeline.all_tasks()
        for problem in problems if pipeline.partitions is None else ():  # with partitions, `task_files` logs them
            context.log.warning(problem)
        targets, now = pipeline.targets(context.instance), {}
        for name, task in list(tasks.items()):
            try:
                tasks[name] = resolve_sources(task, context.instance)
                now[name] = versions.version(tasks[name], cursor.seen)
            except (BadInput, OSError) as error:  # a file that is being written may be complete at the next evaluation
                context.log.warning(f"{name}: {error}")
        if not primary:
            cursor.asked |= {name: LastRequest(version) for name, version in now.items() if name not in cursor.asked}
        busy = self._busy({name: Lake(task.lake) for name, task in tasks.items()})
        since = None if cursor.looked_at is None else cursor.looked_at - _CLOCK_SKEW_S
        tags, sensor = pipeline.tags, context.sensor_name
        interrupted = runs.interrupted_targets(context.instance, sensor, tags, since, cursor.interrupted)
        failed = runs.failed_targets(context.instance, targets, tags, since, cursor.failing)
        changed = targets_to_run(now, cursor.asked, busy, interrupted)
        requests = [self._changed(tasks[name], now[name]) for name in changed]
        if primary:
            rest = sorted(name for name in now.keys() - set(changed) - busy if tasks[name].approval)
            requests += [request for name in rest if (request := self._approved(tasks[name]))]
        events = [failed_targets.build_evaluation(pipeline, failed)] if sorted(failed) != cursor.failing else []
        cursor.failing, cursor.interrupted, cursor.looked_at = sorted(failed), sorted(interrupted), began
        new = sorted({request.partition_key for request in requests if request.partition_key} - targets)
        if not (requests or events):
            context.update_cursor(cursor.dump())
            waiting = targets_to_run(now, cursor.asked, set(), interrupted)
            reason = f"waiting for runs of {', '.join(waiting)} to end" if waiting else "nothing has changed"
            return dg.SkipReason(reason)
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[pipeline.dynamic().build_add_request(new)] if new else [],
            asset_events=events,
            cursor=cursor.dump(),
        )

    def _busy(self, lakes: dict[str, Lake]) -> set[str]:
        """Return the targets with a live run. A run found lost at two evaluations in a row is reported as failed."""
        instance, suspects = self.context.instance, []
        unfinished = {run.run_id: run for run in runs.unfinished(instance)}
        if not instance.run_launcher.supports_check_run_worker_health:  # else Dagster's daemon monitors the runs
            for run, lake in runs.lost(instance, list(unfinished.values()), lakes):
                if run.run_id not in self.cursor.suspects:
                    suspects.append(run.run_id)
                    continue
                self.context.log.warning(f"run {run.run_id} is marked as failed, because its process is gone")
                runs.mark_failed(instance, run, lake)
                del unfinished[run.run_id]
        self.cursor.suspects = sorted(suspects)
        return {target for run in unfinished.values() if _works_on(run, lakes.get(target := runs.target_of(run)))}

    def _changed(self, task: Task, version: str) -> dg.RunRequest:
        """Request a run for a changed source, up to the subset if the task requires an approval."""
        last = self.cursor.asked.get(task.name, LastRequest(version, 0, 0))
        attempts = last.attempts + 1 if last.version == version else 1
        self.cursor.asked[task.name] = LastRequest(version, last.number + 1, attempts, last.approved)
        up_to_subset = "select_by_model" if task.selection.needs_base_model else "select"
        return self._request(task, up_to_subset if task.approval else "run")

    def _approved(self, task: Task) -> dg.RunRequest | None:
        """Request a run of the whole pipeline if the selection was approved since the last evaluation."""
        lake = Lake(task.lake)
        subset, last = Records(lake, task.name).get("selected_subset"), self.cursor.asked[task.name]
        if subset is None or subset.data_version == last.approved:
            return None
        if not approval.is_given(lake, task, subset.data_version):
            return None
        self.cursor.asked[task.name] = LastRequest(last.version, last.number + 1, 1, subset.data_version)
        return self._request(task, "run")

    def _request(self, task: Task, job: str) -> dg.RunRequest:
        last, pipeline = self.cursor.asked[task.name], self.pipeline
        config: Any = {"overrides": _pins(task, self.cursor.seen)}
        return dg.RunRequest(
            run_key=f"{self.context.sensor_name}:{task.name}@{last.version}#{last.number}",
            job_name=pipeline.named(job),
            partition_key=task.name if pipeline.partitions else None,
            run_config={"resources": {pipeline.resource_key: {"config": config}}},
            tags={"getmore/source_version": last.version, **pipeline.tags},
        )


def _works_on(run: dg.DagsterRun, lake: Lake | None) -> bool:
    """Return whether a run uses the lake of its task; a command may have overridden the lake."""
    return lake is None or runs.LAKE not in run.tags or Lake(run.tags[runs.LAKE]).root.resolve() == lake.root.resolve()


def _pins(task: Task, seen: Seen) -> list[str]:
    """Return overrides that pin the target's Delta tables to the versions that the sensor saw."""
    pins = []
    for split, source in target.sources_of(task).items():
        if source and source.version is None and readers.is_delta(source):
            field = split if split == "general" else f"target.{split}"
            _, newest = seen.get(str(Path(source.place))) or ("", newest_version(source.place))
            pins.append(f"{field}.version={newest}")
    return pins
