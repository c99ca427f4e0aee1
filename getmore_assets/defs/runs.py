"""Runs of a target: which are going, which have lost their process, which stand failed.

Belongs here: reading and mending the instance's runs. Does not: asking for runs (`sensors.py`).
"""

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG, SENSOR_NAME_TAG

from getmore_assets.lake import Lake

PARTITION = "dagster/partition"
OF_A_COMMAND = "getmore/task_file"  # the tag of a run that the command line started
CHANGES = "getmore/changes"  # the tag of such a run that changed fields of the task file: key=value
_GOING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def lock_name(run_id: str) -> str:
    """The lock that a run's process holds in the task's lake while it works: it dies with it."""
    return f"dagster-run-{run_id}"


def going(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Every run of a target that has not ended."""
    found = instance.get_runs(dg.RunsFilter(statuses=_GOING))
    return [run for run in found if PARTITION in run.tags]


def without_process(runs: list[dg.DagsterRun], lakes: dict[str, Lake]) -> list[dg.DagsterRun]:
    """Those of the runs that have started, and whose process is gone.

    A run that is just about to start or to end holds no lock either: believe it at the second look.

    Args:
        runs: Going.
        lakes: By target; a run of another target is left out.
    """
    started = [run for run in runs if run.status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)]
    return [
        run
        for run in started
        if run.tags[PARTITION] in lakes and not lakes[run.tags[PARTITION]].is_locked(lock_name(run.run_id))
    ]


def end(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Say of a run that has lost its process that it failed, and free the slots it held."""
    instance.report_run_failed(run, "The process of this run is gone; what it had made stays, the next run goes on")
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def cut_off(instance: dg.DagsterInstance, sensor: str, targets: set[str]) -> set[str]:
    """The targets whose last run that a sensor asked for failed, but not at a step: its process was killed.

    Dagster's own run retries would do, but need another storage than its default (SQLite).
    """
    found = set()
    for target in targets:
        last = instance.get_runs(dg.RunsFilter(tags={PARTITION: target, SENSOR_NAME_TAG: sensor}), limit=1)
        failed = last and last[0].status == dg.DagsterRunStatus.FAILURE
        if failed and last[0].tags.get(RUN_FAILURE_REASON_TAG) != RunFailureReason.STEP_FAILURE.value:
            found.add(target)
    return found


def standing_failed(instance: dg.DagsterInstance) -> dict[str, str]:
    """Targets whose last run failed, with that run's id: nothing will run them again until their data change."""
    found = {}
    for target in sorted(instance.get_dynamic_partitions("target")):
        last = instance.get_runs(dg.RunsFilter(tags={PARTITION: target}), limit=1)
        if last and last[0].status == dg.DagsterRunStatus.FAILURE:
            found[target] = last[0].run_id
    return found
