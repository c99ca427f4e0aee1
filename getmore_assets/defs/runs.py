"""Runs of a target: which are going, which have lost their process, which stand failed.

Belongs here: reading and mending the instance's runs. Does not: asking for runs (`sensors.py`).
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
TARGET = "getmore/target"  # the tag with the target of a run where targets are no partitions
OF_A_COMMAND = "getmore/task_file"  # the tag of a run that the command line started
LAKE = "getmore/lake"  # the tag with the folder that a run works on
INTERRUPTED = "getmore/interrupted"  # the tag of a run whose worker the system killed, with the stage
CHANGES = "getmore/changes"  # the tag of such a run that changed fields of the task file: key=value
_SILENT_S = 600  # a run that nothing tells of may still be starting, or be between two steps, for so long
_ANSWER_S = 5


@contextmanager
def signs_of_life(instance: dg.DagsterInstance, run: dg.DagsterRun, lake: Lake, tags: dict[str, str]) -> Iterator[None]:
    """Give signs of life for a run: of this process and, where it works on one step of several, of the run worker."""
    if not lake.is_writable():  # as for `getmore check`, which writes nothing
        yield
        return
    if LAKE not in run.tags or tags.items() - run.tags.items():
        instance.add_run_tags(run.run_id, {LAKE: run.tags.get(LAKE, lake.address), **tags})
    with liveness.signs(liveness.folder_of(lake.root), run.run_id, _run_worker()):
        yield


def _run_worker() -> int | None:
    """Return the process that has started this one for a step, as the multiprocess executor does; else None.

    A code server starts a process for each run in the same way, so the parent alone does not tell.
    """
    parent, frame = multiprocessing.parent_process(), sys._getframe()
    while parent and frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code is _execute_command_in_child_process.__code__:
            return parent.pid
    return None


def target_of(run: dg.DagsterRun) -> str:
    """Return the target of a run; empty where it has none."""
    return run.tags.get(PARTITION) or run.tags.get(TARGET, "")


def going(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Every run of a target that has not ended."""
    return [run for run in instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)) if target_of(run)]


def left_by_commands(instance: dg.DagsterInstance, target: str, lake: Lake) -> list[dg.DagsterRun]:
    """Return the runs of a target that commands began in this lake and did not end. Call it with the target's lock.

    A run of another lake may share the name of the target, and a run without the tag of its lake may be another lake's:
    both are left alone, unless the instance itself lies in this lake.
    """
    own = "DAGSTER_HOME" not in os.environ
    return [
        run
        for run in going(instance)
        if OF_A_COMMAND in run.tags and target_of(run) == target
        if (Lake(run.tags[LAKE]).root.resolve() == lake.root.resolve() if LAKE in run.tags else own)
        if not liveness.lives(liveness.folder_of(lake.root), run.run_id)
    ]


def without_process(
    instance: dg.DagsterInstance, runs: list[dg.DagsterRun], lakes: dict[str, Lake]
) -> list[tuple[dg.DagsterRun, Lake]]:
    """Return the started runs of which no process lives any more, by all that can be known here, with their lakes.

    A run that is about to end gives no signs of life either: believe it at the second look.

    Args:
        instance: Of the runs.
        runs: Going.
        lakes: By target, for runs without the tag of their lake; such a run of another target is left out.
    """
    started = [run for run in runs if run.status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)]
    on = [(run, Lake(run.tags[LAKE]) if LAKE in run.tags else lakes.get(target_of(run))) for run in started]
    return [(run, lake) for run, lake in on if lake and _is_lost(instance, run, lake)]


def _is_lost(instance: dg.DagsterInstance, run: dg.DagsterRun, lake: Lake) -> bool:
    """Return whether a run's process was killed, or has given no sign for so long that it can be taken for killed."""
    if not lake.root.is_dir():  # another machine's, so whatever lies there cannot be seen
        return False
    sign = liveness.lives(liveness.folder_of(lake.root), run.run_id)
    if sign or _is_known_to_its_server(run):
        return False
    if sign is False:
        return True
    record, silent = (
        instance.get_run_record_by_id(run.run_id),
        liveness.silent_for(liveness.folder_of(lake.root), run.run_id),
    )
    if silent is None and record is not None:
        silent = time.time() - (record.start_time or record.create_timestamp.timestamp())
    return silent is not None and silent > _SILENT_S


def _is_known_to_its_server(run: dg.DagsterRun) -> bool:
    """Return whether the code server that started a run says that its process lives; False where it cannot be asked."""
    server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    if not server:
        return False
    from dagster._grpc.client import DagsterGrpcClient  # loads gRPC, which no other question here needs
    from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult

    place = {name: server.get(name) for name in ("port", "socket", "host")}
    client = DagsterGrpcClient(**place, use_ssl=bool(server.get("use_ssl")))
    try:
        said = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=_ANSWER_S)
    except DagsterUserCodeUnreachableError:
        return False
    return deserialize_value(said, CanCancelExecutionResult).can_cancel


def end(instance: dg.DagsterInstance, run: dg.DagsterRun, lake: Lake) -> None:
    """Say of a run that has lost its process that it failed, and free the slots it held."""
    liveness.forget(liveness.folder_of(lake.root), run.run_id)
    instance.report_run_failed(run, "The process of this run is gone; what it had made stays, the next run goes on")
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def standing_failed(
    instance: dg.DagsterInstance,
    there: set[str],
    tags: dict[str, str],
    since: float | None = None,
    before: Iterable[str] = (),
) -> dict[str, str]:
    """Return targets whose last run failed, with the id of that run: nothing runs them until their data change.

    Args:
        instance: Of the runs.
        there: The targets that are partitions; others are left out.
        tags: Of the pipeline's runs.
        since: Only runs that ended after this time, in seconds since 1970, are looked at.
        before: Targets that are looked at whenever their last run ended.
    """
    failed = _last_run_failed(instance, tags, since, before)
    return {target: run.run_id for target, run in failed.items() if target in there}


def interrupted(
    instance: dg.DagsterInstance, sensor: str, tags: dict[str, str], since: float | None, before: Iterable[str]
) -> set[str]:
    """Return the targets whose last run that a sensor asked for was interrupted: its process, or a worker, was killed.

    Dagster's own run retries would do, but need another storage than its default (SQLite). Arguments as in
    `standing_failed`.
    """
    failed = _last_run_failed(instance, {SENSOR_NAME_TAG: sensor, **tags}, since, before)
    by_itself = RunFailureReason.STEP_FAILURE.value
    return {
        target
        for target, run in failed.items()
        if INTERRUPTED in run.tags or run.tags.get(RUN_FAILURE_REASON_TAG) != by_itself
    }


def _last_run_failed(
    instance: dg.DagsterInstance, tags: dict[str, str], since: float | None, before: Iterable[str]
) -> dict[str, dg.DagsterRun]:
    """Return the last run of each target whose last run failed: one query, and one for each target that had failed."""
    failed, after = dg.DagsterRunStatus.FAILURE, None if since is None else datetime.fromtimestamp(since, UTC)
    ended = instance.get_runs(dg.RunsFilter(statuses=[failed], tags=tags, updated_after=after))
    found = {}
    for target in sorted({*filter(None, map(target_of, ended)), *before}):
        of_target = tags if TARGET in tags else {PARTITION: target, **tags}
        last = next(iter(instance.get_runs(dg.RunsFilter(tags=of_target), limit=1)), None)
        if last is not None and last.status == failed:
            found[target] = last
    return found
