"""Finding out that a run has nothing to do, without Dagster, from records and source versions alone.

Belongs here: this decision about a whole run. Does not: whether one stage is cached (`status.py`).
"""

from getmore_assets import damage, liveness, tracking_place
from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import STAGE_NAMES, Record, Records
from getmore_assets.stages import check_cache
from getmore_assets.stages.caching import CACHED, missing_inputs
from getmore_assets.stages.checks import CheckContext
from getmore_assets.stages.materializing import log_done
from getmore_assets.stages.running import needed
from getmore_assets.stages.status import stage_statuses


def unchanged(task: Task, last: str) -> dict[str, Record] | None:
    """Return the records that a run would return, if it would change nothing.

    Args:
        task: The task.
        last: The last stage of the run.

    Returns:
        The records by stage, in order. None if a run has something to do or to report: a stage to materialize, a failed
        blocking check, damage, a killed run to end, a record that was not uploaded or whose MLflow run was lost.
    """
    lake = Lake(task.lake)
    lake.refresh()
    if lake.is_ahead(*(f"records/{task.name}/{name}.json" for name in STAGE_NAMES)):
        return None
    if task.waits_for_assets or lake.is_locked("command", task.name) or liveness.any_was_killed(lake.root):
        return None
    try:
        stages, statuses = needed(task, last), stage_statuses(task)
        records = [statuses[stage.name].record for stage in stages]
        current = {record.stage: record for record in records if record and _is_current(lake, task, record)}
        if len(current) < len(stages) or tracking_place.lost(lake, current.values()):
            return None
        for stage in stages:
            damage.require_undamaged(lake, stage.name)
            results = [(check, check_cache.result(check, CheckContext(task, stage.name))) for check in stage.checks]
            if any(check.blocking and not result.passed for check, result in results):
                return None
    except BadInput:  # a run raises it again, at its stage
        return None
    for name, record in current.items():
        log_done(name, CACHED, record)
    return current


def _is_current(lake: Lake, task: Task, record: Record) -> bool:
    """Return whether a record is the last record of its stage, and its inputs' versions can still be read."""
    return record == Records(lake, task.name).last(record.stage) and not missing_inputs(lake, record)
