"""Materializing a stage: return a cached record, or compute the stage and record it.

Belongs here: the one way to materialize a stage, with and without Dagster. Does not: the caching decision
(`caching.py`), or computing (`computing.py`).
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
from getmore_assets.stages.checks import materialize_first
from getmore_assets.stages.computing import compute
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext
from getmore_assets.stages.table import STAGES

log = logging.getLogger(__name__)

MATERIALIZED = "materialized"  # the other statuses are in `caching.py`
_MOST_READS = 3  # attempts to read a source that changes meanwhile


def materialize(
    stage: Stage,
    task: Task,
    run_id: str,
    gpu_slot: Callable[[], AbstractContextManager[None]] = nullcontext,
    tracking: tracking_place.Tracking = tracking_place.AS_ENVIRONMENT_SAYS,
) -> tuple[Record, str]:
    """Materialize a stage, or return an earlier record with the same cache key.

    Args:
        stage: The stage.
        task: The task.
        run_id: The id of the run, for commits and records.
        gpu_slot: Waits for a slot of the GPU pool and holds it; a cached stage does not wait.
        tracking: The MLflow server or store for models and scorecards.

    Returns:
        The record, and its status: materialized, cached, or kept (within the drift limit).

    Raises:
        BadInput: An input has not been materialized, or a source is refused.
    """
    lake = Lake(task.lake)
    records = Records(lake, task.name)
    read = stage.inputs(task)
    if not read and not task.waits_for_assets:  # a stage that reads sources
        preflight.check(task)
    with lake.lock("stage", *(() if stage.one_at_a_time else (task.name,)), stage.name):
        damage.require_undamaged(lake, stage.name)
        inputs = {name: records.require(name, materialize_first(name)) for name in read}
        used = {name: stage.version(record) for name, record in inputs.items()}
        for _ in range(_MOST_READS):
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
            context = StageContext(stage.name, task, lake, inputs, key, recipe, commit, last, same_recipe, tracking)
            record, status = reusable(context, stage, records, used)
            if record is None:
                _warn_stale(task, inputs)
                with gpu_slot() if stage.on_gpu else nullcontext():
                    record, status = compute(context, stage.compute, used, stage.tracked), MATERIALIZED
            elif stage.tracked:
                _warn_untracked(lake, record, tracking)
            if key == stage.cache_key(task, used):  # else a source changed, and the rows may mix two versions
                records.put(record)
                log_done(stage.name, status, record)
                return record, status
            log.info("%s: its source changed while it was read; reading again", stage.name)
    fix = "Stop writing to it, or copy it to a folder that nothing writes to"
    raise BadInput(stage.name, f"its source changed {_MOST_READS} times while it was read", fix)


def log_done(name: str, status: str, record: Record) -> None:
    """Log that a stage is done; the command line prints it."""
    extra = {"stage": name, "status": status, "rows": record.rows, "seconds": record.seconds}
    log.info("%s: %s, %d rows", name, status, record.rows, extra=extra)


def _warn_stale(task: Task, inputs: dict[str, Record]) -> None:
    """Warn of inputs that were computed with other settings or code: Dagster may materialize one asset alone."""
    for name, record in inputs.items():
        if record.kept is None and STAGES[name].cache_key(task, record.inputs) != record.fingerprint:
            message = "%s was materialized at %s with other settings or code than today's: run the whole pipeline"
            log.warning(message, name, record.made_at)


def _warn_untracked(lake: Lake, record: Record, tracking: tracking_place.Tracking) -> None:
    if tracking_place.lost(lake, [record], tracking):
        message = "%s: MLflow's store no longer has its run %s; getmore repair TASK.yaml tracks it again"
        log.warning(message, record.stage, record.mlflow_run_id)
