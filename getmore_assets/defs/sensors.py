"""Sensors: every task file is a target, and what changes is selected anew.

Belongs here: looking at what is, and thin decorators. Does not: the comparison with what was (`reselection/watch.py`).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from getmore_assets.config import Task
from getmore_assets.corpus import pool, readers, target
from getmore_assets.defs import runs
from getmore_assets.defs.inventory import evaluation
from getmore_assets.defs.jobs import run, select, select_by_model
from getmore_assets.defs.line import targets
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, Seen, newest_version
from getmore_assets.records import Records
from getmore_assets.reselection import approval
from getmore_assets.reselection.watch import Asked, Memory, due
from getmore_assets.tasks_folder import read_folder, tasks_folder

_EVERY_S = 30
#: `GETMORE_SENSORS=RUNNING` (as deployments set it) starts the sensors that start runs; else the UI's switch does.
_STATUS = dg.DefaultSensorStatus(os.environ.get("GETMORE_SENSORS", "STOPPED"))


@dg.sensor(
    minimum_interval_seconds=_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes every task file in the tasks folder a target.",
)
def task_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Register new task files as partitions."""
    files = read_folder(tasks_folder())
    found, wrong = _new_targets(context, set(files.by_name)), files.problems
    for why in wrong:
        context.log.warning(why)
    if not found:
        return dg.SkipReason("; ".join([f"no new task file in {tasks_folder()}/", *wrong]))
    return dg.SensorResult(dynamic_partitions_requests=[targets.build_add_request(found)])


@dg.sensor(
    jobs=[select, select_by_model, run],
    minimum_interval_seconds=_EVERY_S,
    default_status=_STATUS,
    description="Runs the line for every new target and, once for each new version of a target's data, again: from the "
    "version it saw, after that target's last run has ended. Compaction and vacuum are no new version. Where the task "
    "asks for an approval it runs as far as the subset, and on when that is approved.",
)
def target_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Watch the sources of every target."""
    return _look(context, target.source_version, first_seen_runs=True)


@dg.sensor(
    jobs=[select, select_by_model, run],
    minimum_interval_seconds=_EVERY_S,
    default_status=_STATUS,
    description="Runs the line again for every target whose candidate pool has new rows. Only these are encoded, and "
    "where the marginal error allows they are scored without a solve.",
)
def pool_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Watch the sources of every pool."""
    return _look(context, pool.source_version, first_seen_runs=False)


def _look(
    context: dg.SensorEvaluationContext, version_of: Callable[[Task, Seen], str], first_seen_runs: bool
) -> dg.SensorResult | dg.SkipReason:
    """One tick of a watching sensor."""
    memory = Memory.load(context.cursor)
    tasks = {name: file.task for name, file in read_folder(tasks_folder()).by_name.items()}
    now = {}
    for name, task in tasks.items():
        try:
            now[name] = version_of(task, memory.seen)
        except (BadInput, OSError) as error:  # half written, or gone: the next look may find it whole
            context.log.warning(f"{name}: {error}")
    if not first_seen_runs:
        memory.asked |= {name: Asked(version) for name, version in now.items() if name not in memory.asked}
    busy = _busy(context, memory, {name: Lake(task.lake) for name, task in tasks.items()})
    cut_off = runs.cut_off(context.instance, context.sensor_name, set(now) - busy)
    asked = due(now, memory.asked, busy, cut_off)
    requests = [_request(context, memory, tasks[name], now[name]) for name in asked]
    requests += [r for name in sorted(set(now) - set(asked) - busy) if (r := _approved(context, memory, tasks[name]))]
    failing = runs.standing_failed(context.instance)
    events = [evaluation(failing)] if sorted(failing) != memory.failing else []
    memory.failing = sorted(failing)
    new = _new_targets(context, set(tasks))
    if not (requests or new or events):
        context.update_cursor(memory.dump())
        waiting = due(now, memory.asked, set(), cut_off)
        return dg.SkipReason(f"waiting for runs of {', '.join(waiting)} to end" if waiting else "nothing has changed")
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[targets.build_add_request(new)] if new else [],
        asset_events=events,
        cursor=memory.dump(),
    )


def _new_targets(context: dg.SensorEvaluationContext, names: set[str]) -> list[str]:
    """Task names that are no partition yet, in order."""
    return sorted(names - set(context.instance.get_dynamic_partitions("target")))


def _busy(context: dg.SensorEvaluationContext, memory: Memory, lakes: dict[str, Lake]) -> set[str]:
    """The targets that a run is working on; a run whose process was gone at the last look too is ended."""
    all_going = runs.going(context.instance)
    gone = runs.without_process(all_going, lakes) if _runs_are_here(context.instance) else []
    dead = [one for one in gone if one.run_id in memory.suspects]
    for one in dead:
        context.log.warning(f"run {one.run_id} has lost its process: it is ended as failed")
        runs.end(context.instance, one)
    memory.suspects = sorted(one.run_id for one in gone if one not in dead)
    return {one.tags[runs.PARTITION] for one in all_going if one not in dead}


def _runs_are_here(instance: dg.DagsterInstance) -> bool:
    """Whether runs are processes of this machine, whose locks can be seen. Other launchers look after their own."""
    return not instance.run_launcher.supports_check_run_worker_health


def _request(context: dg.SensorEvaluationContext, memory: Memory, task: Task, version: str) -> dg.RunRequest:
    last = memory.asked.get(task.name)
    if last is None:
        memory.asked[task.name] = Asked(version, 1)
    else:
        attempts = last.attempts + 1 if last.version == version else 1
        memory.asked[task.name] = Asked(version, last.number + 1, attempts, last.approved)
    up_to_subset = select_by_model if task.selection.asks_a_model else select
    return _run_request(context, memory, task, up_to_subset.name if task.approval else run.name)


def _approved(context: dg.SensorEvaluationContext, memory: Memory, task: Task) -> dg.RunRequest | None:
    """A run of the whole line, where a selection that waited for an approval has got it."""
    if not task.approval:
        return None
    lake = Lake(task.lake)
    made, last = Records(lake, task.name).get("selected_subset"), memory.asked[task.name]
    if made is None or made.data_version == last.approved or not approval.is_given(lake, task, made.data_version):
        return None
    memory.asked[task.name] = Asked(last.version, last.number + 1, 1, made.data_version)
    return _run_request(context, memory, task, run.name)


def _run_request(context: dg.SensorEvaluationContext, memory: Memory, task: Task, job: str) -> dg.RunRequest:
    asked = memory.asked[task.name]
    config: Any = {"resources": {"line": {"config": {"overrides": _pins(task, memory.seen)}}}}
    return dg.RunRequest(
        run_key=f"{context.sensor_name}:{task.name}@{asked.version}#{asked.number}",
        job_name=job,
        partition_key=task.name,
        run_config=config,
        tags={"getmore/source_version": asked.version},
    )


def _pins(task: Task, seen: Seen) -> list[str]:
    """Overrides that have the target's Delta tables read at the version that was seen."""
    pins = []
    for split, source in target.sources_of(task).items():
        if source and source.version is None and readers.is_delta(source):
            where = split if split == "general" else f"target.{split}"
            _, newest = seen.get(str(Path(source.path))) or ("", newest_version(source.path))
            pins.append(f"{where}.version={newest}")
    return pins
