"""Running stages one after the other in this process, without Dagster.

Belongs here: which stages a result needs, their order, and that a blocking check stops what follows. Does not:
materializing one (`materializing.py`).
"""

import uuid
from dataclasses import dataclass

from getmore_assets.config import Task
from getmore_assets.lake import Lake
from getmore_assets.preflight import require_writable
from getmore_assets.records import FROM_PYTHON, Record
from getmore_assets.stages import remembered
from getmore_assets.stages.checks import Checked
from getmore_assets.stages.materializing import materialize
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.table import STAGES


class CheckFailedError(RuntimeError):
    """A blocking check did not hold."""


@dataclass(frozen=True)
class Ran:
    """What running stages left: of each, by name and in order, the record and its status."""

    records: dict[str, Record]
    statuses: dict[str, str]


def needed(task: Task, last: str) -> list[Stage]:
    """Return the stages that a stage needs, directly or not, and itself, in order."""
    wanted = {last}
    for name in reversed(STAGES):
        if name in wanted:
            wanted |= set(STAGES[name].inputs(task))
    return [stage for name, stage in STAGES.items() if name in wanted]


def run(task: Task, last: str) -> Ran:
    """Materialize a stage and all that it needs; what is still good is reused.

    Args:
        task: Of what.
        last: The stage.

    Raises:
        BadInput: A source or a setting is refused.
        CheckFailedError: A blocking check does not hold.
    """
    require_writable(Lake(task.lake))
    run_id, ran = f"{FROM_PYTHON}{uuid.uuid4()}", Ran({}, {})
    with Lake(task.lake).lock("command", task.name):  # in turn with the commands on this task
        for stage in needed(task, last):
            ran.records[stage.name], ran.statuses[stage.name] = materialize(stage, task, run_id)
            for check in (one for one in stage.checks if one.blocking):
                found = remembered.result(check, Checked(task, stage.name))
                if not found.passed:
                    said = f"{stage.name}: {check.name} does not hold. {check.description} Found: {found.metadata}"
                    raise CheckFailedError(said)
    return ran
