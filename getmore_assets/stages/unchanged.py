"""Finding out, without Dagster, that a run has nothing to do: records and the versions of sources are read, no table.

Belongs here: whether a run would leave everything as it is. Does not: whether one stage is cached (`status.py`).
"""

from getmore_assets import damage, liveness, tracking_place
from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import STAGE_NAMES, Record, Records
from getmore_assets.stages import remembered
from getmore_assets.stages.caching import CACHED, missing_inputs
from getmore_assets.stages.checks import Checked
from getmore_assets.stages.materializing import tell
from getmore_assets.stages.running import needed
from getmore_assets.stages.status import stage_statuses


def unchanged(task: Task, last: str) -> dict[str, Record] | None:
    """Return the records of a stage and of all that it needs, where a run would leave every one of them as it is.

    Args:
        task: Of what.
        last: The stage.

    Returns:
        By name and in order; None where a run has something to do, or to say: a stage to materialize, a blocking check
        that does not hold, damage, a killed run to end, a record whose MLflow run was lost, or that was not uploaded.
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
        there = {one.stage: one for one in records if one and _stands(lake, task, one)}
        if len(there) < len(stages) or tracking_place.lost(lake, there.values()):
            return None
        for stage in stages:
            damage.require_whole(lake, stage.name)
            results = [(check, remembered.result(check, Checked(task, stage.name))) for check in stage.checks]
            if any(check.blocking and not result.passed for check, result in results):
                return None
    except BadInput:  # a run reports it, at the stage that it concerns
        return None
    for name, record in there.items():
        tell(name, CACHED, record)
    return there


def _stands(lake: Lake, task: Task, record: Record) -> bool:
    """Whether a record is the last one of its stage, and the versions of its inputs can still be read."""
    return record == Records(lake, task.name).last(record.stage) and not missing_inputs(lake, record)
