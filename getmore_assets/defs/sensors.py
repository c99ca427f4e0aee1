"""Sensors: every task file is a target, and what changes is selected again.

Belongs here: looking at what is, and the sensors that do. Does not: the comparison with what was
(`reselection/watch.py`).
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
from getmore_assets.defs import runs
from getmore_assets.defs.inventory import evaluation
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.defs.upstream import located
from getmore_assets.delta_versions import Seen
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, newest_version
from getmore_assets.records import Records
from getmore_assets.reselection import approval
from getmore_assets.reselection.version_cache import Looks
from getmore_assets.reselection.watch import FolderMemory, LastRequest, Memory, due

_EVERY_S = 30
_CLOCKS_DIFFER_S = 300  # at most, those of the machines that write down when a run ended
#: The sensors that start runs: name, what is looked at, whether it leads, description.
_WATCHING = (
    (
        "target_changes",
        Looks(lambda task: target.sources_of(task).values(), target.source_version),
        True,
        "Runs the pipeline for every new target and, once for each new version of a target's data, again: from the "
        "version it saw, after that target's last run has ended. Compaction and vacuum are no new version. Where the "
        "task asks for an approval it runs as far as the subset, and on when that is approved, whichever sensor asked "
        "for it.",
    ),
    (
        "pool_changes",
        Looks(lambda task: task.candidates, pool.source_version),
        False,
        "Runs the pipeline for every target whose candidate pool has new rows. Only these are encoded, and where the "
        "marginal error allows they are scored without a solve.",
    ),
)
#: `GETMORE_SENSORS=RUNNING` (as deployments set it) starts the sensors that start runs; else the UI's switch does.
_STATUS = dg.DefaultSensorStatus(os.environ.get("GETMORE_SENSORS", "STOPPED"))


def sensors(pipeline: Pipeline, jobs: Sequence[Any]) -> list[dg.SensorDefinition]:
    """Return the sensors of a pipeline whose targets are dynamic partitions, or that has one target and no partitions.

    Args:
        pipeline: Whose.
        jobs: The asset jobs that they ask for.
    """
    watching = [_changes(pipeline, jobs, *one) for one in _WATCHING]
    return [_task_files(pipeline), *watching] if pipeline.partitions else watching


def _task_files(pipeline: Pipeline) -> dg.SensorDefinition:
    @dg.sensor(
        name=pipeline.named("task_files"),
        minimum_interval_seconds=_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Makes every task file in the tasks folder a target, and removes the target of a file that is gone "
        "at two looks in a row. Targets that a command added are left. What was made of a target stays in its lake.",
    )
    def task_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        (tasks, problems), memory = pipeline.all_tasks(), FolderMemory.load(context.cursor)
        there, targets = pipeline.targets(context.instance), pipeline.dynamic()
        gone = memory.look(set(tasks), complete=bool(tasks) and not problems) & there
        new, said = sorted(tasks.keys() - there), list(problems)
        for why in problems:
            context.log.warning(why)
        if gone:
            said.append(f"no task file has these names any more, so they are no targets: {', '.join(sorted(gone))}")
            context.log.warning(said[-1])
        if not (new or gone):
            context.update_cursor(memory.dump())
            return dg.SkipReason("; ".join([f"no new task in {pipeline.place()}", *said]))
        adds = [targets.build_add_request(new)] if new else []
        removals = [targets.build_delete_request(sorted(gone))] if gone else []
        return dg.SensorResult(dynamic_partitions_requests=[*adds, *removals], cursor=memory.dump())

    return task_files


def _changes(
    pipeline: Pipeline, jobs: Sequence[Any], name: str, looks: Looks, leads: bool, description: str
) -> dg.SensorDefinition:
    @dg.sensor(
        name=pipeline.named(name),
        jobs=jobs,
        minimum_interval_seconds=_EVERY_S,
        default_status=_STATUS,
        description=description,
    )
    def changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return _Look(context, pipeline, Memory.load(context.cursor)).result(looks, leads)

    return changes


@dataclass
class _Look:
    """One look of a watching sensor, with what it remembers of those before."""

    context: dg.SensorEvaluationContext
    pipeline: Pipeline
    memory: Memory

    def result(self, looks: Looks, leads: bool) -> dg.SensorResult | dg.SkipReason:
        """Ask for what is due. The sensor that leads runs what is seen first, and what was approved."""
        context, pipeline, memory, began = self.context, self.pipeline, self.memory, time.time()
        tasks, problems = pipeline.all_tasks()
        for why in problems if pipeline.partitions is None else ():  # with partitions, `task_files` says it
            context.log.warning(why)
        there, now = pipeline.targets(context.instance), {}
        for name, task in list(tasks.items()):
            try:
                tasks[name] = located(task, context.instance)
                now[name] = looks.version(tasks[name], memory.seen)
            except (BadInput, OSError) as error:  # half written, or gone: the next look may find it whole
                context.log.warning(f"{name}: {error}")
        if not leads:
            memory.asked |= {name: LastRequest(version) for name, version in now.items() if name not in memory.asked}
        busy = self._busy({name: Lake(task.lake) for name, task in tasks.items()})
        since = None if memory.looked_at is None else memory.looked_at - _CLOCKS_DIFFER_S
        tags, sensor = pipeline.tags, context.sensor_name
        interrupted = runs.interrupted(context.instance, sensor, tags, since, memory.interrupted)
        failing = runs.standing_failed(context.instance, there, tags, since, memory.failing)
        asked = due(now, memory.asked, busy, interrupted)
        requests = [self._changed(tasks[name], now[name]) for name in asked]
        if leads:
            rest = sorted(name for name in now.keys() - set(asked) - busy if tasks[name].approval)
            requests += [request for name in rest if (request := self._approved(tasks[name]))]
        events = [evaluation(pipeline, failing)] if sorted(failing) != memory.failing else []
        memory.failing, memory.interrupted, memory.looked_at = sorted(failing), sorted(interrupted), began
        new = sorted({request.partition_key for request in requests if request.partition_key} - there)
        if not (requests or events):
            context.update_cursor(memory.dump())
            waiting = due(now, memory.asked, set(), interrupted)
            why = f"waiting for runs of {', '.join(waiting)} to end" if waiting else "nothing has changed"
            return dg.SkipReason(why)
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[pipeline.dynamic().build_add_request(new)] if new else [],
            asset_events=events,
            cursor=memory.dump(),
        )

    def _busy(self, lakes: dict[str, Lake]) -> set[str]:
        """The targets that a run is working on; a run whose process was gone at the last look too is ended."""
        instance, suspects = self.context.instance, []
        lives = {run.run_id: run for run in runs.going(instance)}
        if not instance.run_launcher.supports_check_run_worker_health:  # else the launcher looks after the runs
            for run, lake in runs.without_process(instance, list(lives.values()), lakes):
                if run.run_id not in self.memory.suspects:
                    suspects.append(run.run_id)
                    continue
                self.context.log.warning(f"run {run.run_id} has lost its process: it is ended as failed")
                runs.end(instance, run, lake)
                del lives[run.run_id]
        self.memory.suspects = sorted(suspects)
        return {target for run in lives.values() if _works_on(run, lakes.get(target := runs.target_of(run)))}

    def _changed(self, task: Task, version: str) -> dg.RunRequest:
        """A run for what has changed, as far as the subset where the task asks for an approval."""
        last = self.memory.asked.get(task.name, LastRequest(version, 0, 0))
        attempts = last.attempts + 1 if last.version == version else 1
        self.memory.asked[task.name] = LastRequest(version, last.number + 1, attempts, last.approved)
        up_to_subset = "select_by_model" if task.selection.asks_a_model else "select"
        return self._request(task, up_to_subset if task.approval else "run")

    def _approved(self, task: Task) -> dg.RunRequest | None:
        """A run of the whole pipeline, where a selection that waited for an approval has got it."""
        lake = Lake(task.lake)
        made, last = Records(lake, task.name).get("selected_subset"), self.memory.asked[task.name]
        if made is None or made.data_version == last.approved or not approval.is_given(lake, task, made.data_version):
            return None
        self.memory.asked[task.name] = LastRequest(last.version, last.number + 1, 1, made.data_version)
        return self._request(task, "run")

    def _request(self, task: Task, job: str) -> dg.RunRequest:
        asked, pipeline = self.memory.asked[task.name], self.pipeline
        config: Any = {"overrides": _pins(task, self.memory.seen)}
        return dg.RunRequest(
            run_key=f"{self.context.sensor_name}:{task.name}@{asked.version}#{asked.number}",
            job_name=pipeline.named(job),
            partition_key=task.name if pipeline.partitions else None,
            run_config={"resources": {pipeline.resource_key: {"config": config}}},
            tags={"getmore/source_version": asked.version, **pipeline.tags},
        )


def _works_on(run: dg.DagsterRun, lake: Lake | None) -> bool:
    """Whether a run works on the lake of its target, and not on another, as a command can be told to."""
    return lake is None or runs.LAKE not in run.tags or Lake(run.tags[runs.LAKE]).root.resolve() == lake.root.resolve()


def _pins(task: Task, seen: Seen) -> list[str]:
    """Overrides that have the target's Delta tables read at the version that was seen."""
    pins = []
    for split, source in target.sources_of(task).items():
        if source and source.version is None and readers.is_delta(source):
            where = split if split == "general" else f"target.{split}"
            _, newest = seen.get(str(Path(source.place))) or ("", newest_version(source.place))
            pins.append(f"{where}.version={newest}")
    return pins
