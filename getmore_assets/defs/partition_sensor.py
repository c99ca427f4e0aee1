"""The sensor that adds a partition for each task file, and removes the partition of a file that is gone.

Belongs here: adding and removing partitions. Does not: the sensors that start runs (`sensors.py`).
"""

import dagster as dg

from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.reselection.sensor_state import FolderCursor

EVERY_S = 30  # seconds between the evaluations of a sensor


def partition_sensor(pipeline: Pipeline) -> dg.SensorDefinition:
    """Return the sensor `task_files`."""

    @dg.sensor(
        name=pipeline.named("task_files"),
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Adds a target for every task file in the tasks folder, and removes the target of a file that is "
        "gone at two evaluations in a row. Targets that a command added stay. A removed target's results stay in its "
        "lake.",
    )
    def task_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        (tasks, problems), cursor = pipeline.all_tasks(), FolderCursor.load(context.cursor)
        targets, partitions = pipeline.targets(context.instance), pipeline.dynamic()
        removed = cursor.update(set(tasks), complete=bool(tasks) and not problems) & targets
        new = sorted(tasks.keys() - targets)
        for problem in problems:
            context.log.warning(problem)
        if removed:
            context.log.warning(
                f"targets removed, as no task file has their names any more: {', '.join(sorted(removed))}"
            )
        if not (new or removed):
            context.update_cursor(cursor.dump())
            return dg.SkipReason("; ".join([f"no new task in {pipeline.place()}", *problems]))
        adds = [partitions.build_add_request(new)] if new else []
        removals = [partitions.build_delete_request(sorted(removed))] if removed else []
        return dg.SensorResult(dynamic_partitions_requests=[*adds, *removals], cursor=cursor.dump())

    return task_files
