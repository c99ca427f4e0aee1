"""Sensors: every task file is a target.

Belongs here: pure functions that compare what is with what was, and thin decorators on them.
"""

import dagster as dg

from getmore_assets.defs.line import targets
from getmore_assets.task_files import find_task_files, tasks_folder


def new_targets(names: set[str], known: set[str]) -> list[str]:
    """Task names that are no partition yet, in order."""
    return sorted(names - known)


@dg.sensor(
    name="task_files",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes every task file in the tasks folder a target.",
)
def task_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Register new task files as partitions."""
    found = new_targets(set(find_task_files(tasks_folder())), set(context.instance.get_dynamic_partitions("target")))
    if not found:
        return dg.SkipReason(f"no new task file in {tasks_folder()}/")
    return dg.SensorResult(dynamic_partitions_requests=[targets.build_add_request(found)])
