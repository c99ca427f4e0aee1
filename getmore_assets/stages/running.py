"""Running stages one after the other in this process, without Dagster.

Belongs here: the stages that a stage needs, their order, and blocking checks. Does not: materializing one stage
(`materializing.py`).
"""

import uuid
from dataclasses import dataclass

from getmore_assets.config import Task
from getmore_assets.lake import Lake
from getmore_assets.preflight import require_writable
from getmore_assets.records import FROM_PYTHON, Record
from getmore_assets.stages import check_cache
from getmore_assets.stages.checks import CheckContext
from getmore_assets.stages.materializing import materialize
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.table import STAGES


class CheckFailedError(RuntimeError):
    """A blocking check failed."""


@dataclass(frozen=True)
class RunResult:
    """The record and the status of each stage that was run, by name and in order."""

    records: dict[str, Record]
    statuses: dict[str, str]


def needed(task: Task, last: str) -> list[Stage]:
    """Return a stage and all stages upstream of it, in order."""
    names = {last}
    for name in reversed(STAGES):
        if name in names:
            names |= set(STAGES[name].inputs(task))
    return [stage for name, stage in STAGES.items() if name in names]


def run(task: Task, last: str) -> RunResult:
    """Materialize a stage and all stages upstream of it; cached stages are not computed.

    Args:
        task: The task.
        last: The name of the stage.

    Raises:
        BadInput: A source or a setting is refused.
        CheckFailedError: A blocking check failed.
    """
    require_writable(Lake(task.lake))
    run_id, result = f"{FROM_PYTHON}{uuid.uuid4()}", RunResult({}, {})
    with Lake(task.lake).lock("command", task.name):  # one command on a task at a time
        for stage in needed(task, last):
            result.records[stage.name], result.statuses[stage.name] = materialize(stage, task, run_id)
            for check in (check for check in stage.checks if check.blocking):
                checked = check_cache.result(check, CheckContext(task, stage.name))
                if not checked.passed:
                    message = f"{stage.name}: {check.name} failed. {check.description} Found: {checked.metadata}"
                    raise CheckFailedError(message)
    return result
