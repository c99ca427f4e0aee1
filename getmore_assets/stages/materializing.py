"""What is done around a stage's work: use a record that is still good, else compute the stage and record it.

Belongs here: the one way to materialize a stage, for Dagster and without it. Does not: what one stage knows, the work
itself (`job.py`), whether a record is still good (`caching.py`), or which task is meant.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from getmore_assets import damage, preflight, tracking_place
from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records
from getmore_assets.stages.caching import reusable
from getmore_assets.stages.checks import made_first
from getmore_assets.stages.job import Job, do
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.table import STAGES

log = logging.getLogger(__name__)

MATERIALIZED = "materialized"  # as `caching.py` has the other statuses
_READS = 3  # how often a source that changes while it is read is read again


def materialize(
    stage: Stage,
    task: Task,
    run_id: str,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    where: tracking_place.Tracking = tracking_place.AS_ENVIRONMENT_SAYS,
) -> tuple[Record, str]:
    """Materialize a stage, or return an earlier record with the same cache key.

    Args:
        stage: Which.
        task: Of what.
        run_id: Of the run that asks for it; commits and records name it.
        turn: Waits for a place where work may be done, and holds it; a cached stage does not wait.
        where: Models and scorecards are tracked.

    Returns:
        The record, and its status: materialized, cached, or kept within the drift limit.

    Raises:
        BadInput: An input has not been materialized, or a source is refused.
    """
    lake = Lake(task.lake)
    records = Records(lake, task.name)
    read = stage.inputs(task)
    if not read and not task.waits_for_assets:  # else the other stage that reads sources checks all of them
        preflight.check(task)
    with lake.lock("stage", *(() if stage.one_at_a_time else (task.name,)), stage.name):
        damage.require_undamaged(lake, stage.name)
        found = {name: records.require(name, made_first(name)) for name in read}
        used = {name: stage.version(record) for name, record in found.items()}
        for _ in range(_READS):
            key, last = stage.cache_key(task, used), records.get(stage.name)
            commit = {
                "dagster_run_id": run_id,
                "asset": stage.name,
                "task": task.name,
                "fingerprint": key,
                "code_version": stage.code_version,
            }
            same_recipe = last is not None and last.fingerprint == stage.cache_key(task, last.inputs)
            recipe = stage.cache_key(task, {})
            job = Job(stage.name, task, lake, found, key, recipe, commit, last, same_recipe, where)
            record, status = reusable(job, stage, records, used)
            if record is None:
                _tell_of_others(task, found)
                with turn() if stage.on_gpu else nullcontext():
                    record, status = do(job, stage.make, used, stage.tracked), MATERIALIZED
            elif stage.tracked:
                _warn_untracked(lake, record, where)
            if key == stage.cache_key(task, used):  # else a source changed: what was read of it may be torn
                records.put(record)
                tell(stage.name, status, record)
                return record, status
            log.info("%s: its source changed while it was read; reading again", stage.name)
    fix = "Let it rest, or copy it to where nothing writes"
    raise BadInput(stage.name, f"its source changed {_READS} times while it was read", fix)


def tell(name: str, status: str, record: Record) -> None:
    """Log that a stage is done; a command shows it as a line."""
    told = {"stage": name, "status": status, "rows": record.rows, "seconds": record.seconds}
    log.info("%s: %s, %d rows", name, status, record.rows, extra=told)


def _tell_of_others(task: Task, found: dict[str, Record]) -> None:
    """Warn of inputs that were made with other settings or code than today's: a single asset takes what is there."""
    for name, record in found.items():
        if record.kept is None and STAGES[name].cache_key(task, record.inputs) != record.fingerprint:
            said = "%s is read as it was made at %s, with other settings or code than today's: run the whole pipeline"
            log.warning(said, name, record.made_at)


def _warn_untracked(lake: Lake, record: Record, where: tracking_place.Tracking) -> None:
    if tracking_place.lost(lake, [record], where):
        said = "%s: MLflow's store does not know run %s of it any more; getmore repair TASK.yaml tracks it again"
        log.warning(said, record.stage, record.mlflow_run_id)
