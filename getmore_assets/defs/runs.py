"""Dagster runs of targets: unfinished, lost (their process is gone), failed and interrupted runs.

Belongs here: querying the instance's runs, and marking lost runs as failed. Does not: requesting runs (`sensors.py`).
"""

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.events import RunFailureReason
from dagster._core.executor.child_process_executor import _execute_command_in_child_process
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import GRPC_INFO_TAG, RUN_FAILURE_REASON_TAG, SENSOR_NAME_TAG
from dagster._serdes import deserialize_value

from getmore_assets import liveness
from getmore_assets.lake import Lake

PARTITION = "dagster/partition"
# Run tags:
TARGET = "getmore/target"  # the target, in a project without partitions
OF_A_COMMAND = "getmore/task_file"  # the task file of a run that the command line started
CHANGES = "getmore/changes"  # the overrides of such a run: key=value
LAKE = "getmore/lake"  # the lake's folder
INTERRUPTED = "getmore/interrupted"  # the stage whose worker the system killed

_SILENT_S = 600  # a run that starts, or is between two steps, may have no heartbeat for this time
_TIMEOUT_S = 5  # of a call to a code server


@contextmanager
def heartbeat(instance: dg.DagsterInstance, run: dg.DagsterRun, lake: Lake, tags: dict[str, str]) -> Iterator[None]:
    """Write a heartbeat of this process and, if the process executes one step of a run, of the run worker."""
    if not lake.is_writable():  # only commands that write nothing, such as `getmore check`, get here
        yield
        return
    if LAKE not in run.tags or tags.items() - run.tags.items():
        instance.add_run_tags(run.run_id, {LAKE: run.tags.get(LAKE, lake.address), **tags})
    with liveness.signs(liveness.folder_of(lake.root), run.run_id, _run_worker()):
        yield


def _run_worker() -> int | None:
    """Return the id of the run worker if the multiprocess executor started this process for a step, else None.

    A code server's process for a whole run has a parent too; only the call stack tells the two apart.
    """
    parent, frame = multiprocessing.parent_process(), sys._getframe()
    while parent and frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code is _execute_command_in_child_process.__code__:
            return parent.pid
    return None


def target_of(run: dg.DagsterRun) -> str:
    """Return the target of a run; empty if it has none."""
    return run.tags.get(PARTITION) or run.tags.get(TARGET, "")


def unfinished(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the runs of all targets that have not ended."""
    return [run for run in instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)) if target_of(run)]


def abandoned_by_commands(instance: dg.DagsterInstance, target: str, lake: Lake) -> list[dg.DagsterRun]:
    """Return the unfinished runs of commands that died. The caller must hold the target's lock.

    A target of another lake may have the same name. A run without a lake tag counts only if the instance itself is in
    this lake.
    """
    own = "DAGSTER_HOME" not in os.environ
    return [
        run
        for run in unfinished(instance)
        if OF_A_COMMAND in run.tags and target_of(run) == target
        if (Lake(run.tags[LAKE]).root.resolve() == lake.root.resolve() if LAKE in run.tags else own)
        if not liveness.lives(liveness.folder_of(lake.root), run.run_id)
    ]


def lost(
    instance: dg.DagsterInstance, runs: list[dg.DagsterRun], lakes: dict[str, Lake]
) -> list[tuple[dg.DagsterRun, Lake]]:
    """Return the started runs whose process is gone, each with its lake.

    A run that is about to end has no heartbeat either, so act only on runs that are returned twice in a row.

    Args:
        instance: The Dagster instance.
        runs: Unfinished runs.
        lakes: The lake of each target, for runs without a lake tag; a run with neither is skipped.
    """
    started = [run for run in runs if run.status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)]
    pairs = [(run, Lake(run.tags[LAKE]) if LAKE in run.tags else lakes.get(target_of(run))) for run in started]
    return [(run, lake) for run, lake in pairs if lake and _is_lost(instance, run, lake)]


def _is_lost(instance: dg.DagsterInstance, run: dg.DagsterRun, lake: Lake) -> bool:
    """Return whether a run's process was killed, or has written no heartbeat for `_SILENT_S`."""
    if not lake.root.is_dir():  # the lake is on another machine, so its heartbeats cannot be read
        return False
    folder = liveness.folder_of(lake.root)
    alive = liveness.lives(folder, run.run_id)
    if alive or _code_server_reports_alive(run):
        return False
    if alive is False:
        return True
    record, silent = instance.get_run_record_by_id(run.run_id), liveness.silent_for(folder, run.run_id)
    if silent is None and record is not None:
        silent = time.time() - (record.start_time or record.create_timestamp.timestamp())
    return silent is not None and silent > _SILENT_S


def _code_server_reports_alive(run: dg.DagsterRun) -> bool:
    """Return whether the run's code server reports that the run's process lives; False without an answer."""
    server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    if not server:
        return False
    from dagster._grpc.client import DagsterGrpcClient  # here, because it loads gRPC
    from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult

    address = {name: server.get(name) for name in ("port", "socket", "host")}
    client = DagsterGrpcClient(**address, use_ssl=bool(server.get("use_ssl")))
    try:
        answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=_TIMEOUT_S)
    except DagsterUserCodeUnreachableError:
        return False
    return deserialize_value(answer, CanCancelExecutionResult).can_cancel


def mark_failed(instance: dg.DagsterInstance, run: dg.DagsterRun, lake: Lake) -> None:
    """Report a lost run as failed, and free its slots."""
    liveness.forget(liveness.folder_of(lake.root), run.run_id)
    message = "The process of this run is gone. Its finished stages are kept, and the next run continues from them"
    instance.report_run_failed(run, message)
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def failed_targets(
    instance: dg.DagsterInstance,
    targets: set[str],
    tags: dict[str, str],
    since: float | None = None,
    recheck: Iterable[str] = (),
) -> dict[str, str]:
    """Return the targets whose last run failed, each with the id of that run.

    Args:
        instance: The Dagster instance.
        targets: The targets that are partitions; others are left out.
        tags: The tags of the pipeline's runs.
        since: Look only at runs that ended after this time, in seconds since 1970.
        recheck: Targets to look at even if their last run ended before `since`.
    """
    failed = _last_run_failed(instance, tags, since, recheck)
    return {target: run.run_id for target, run in failed.items() if target in targets}


def interrupted_targets(
    instance: dg.DagsterInstance, sensor: str, tags: dict[str, str], since: float | None, recheck: Iterable[str]
) -> set[str]:
    """Return the targets whose last run by a sensor was interrupted: the run's process or a worker was killed.

    Dagster's run retries are not used, because the default storage (SQLite) does not support them. Arguments as in
    `failed_targets`.
    """
    failed = _last_run_failed(instance, {SENSOR_NAME_TAG: sensor, **tags}, since, recheck)
    step_failed = RunFailureReason.STEP_FAILURE.value
    return {
        target
        for target, run in failed.items()
        if INTERRUPTED in run.tags or run.tags.get(RUN_FAILURE_REASON_TAG) != step_failed
    }


def _last_run_failed(
    instance: dg.DagsterInstance, tags: dict[str, str], since: float | None, recheck: Iterable[str]
) -> dict[str, dg.DagsterRun]:
    """Return the last run of each target whose last run failed; takes one query, and one more per target checked."""
    failure, after = dg.DagsterRunStatus.FAILURE, None if since is None else datetime.fromtimestamp(since, UTC)
    ended = instance.get_runs(dg.RunsFilter(statuses=[failure], tags=tags, updated_after=after))
    failed = {}
    for target in sorted({*filter(None, map(target_of, ended)), *recheck}):
        of_target = tags if TARGET in tags else {PARTITION: target, **tags}
        last = next(iter(instance.get_runs(dg.RunsFilter(tags=of_target), limit=1)), None)
        if last is not None and last.status == failure:
            failed[target] = last
    return failed
