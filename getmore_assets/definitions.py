"""Gathers what `defs/` holds, nothing else."""

import dagster as dg

from getmore_assets import defs as stations
from getmore_assets.defs import checks, jobs, questions, sensors
from getmore_assets.defs.line import Line

defs = dg.Definitions(
    assets=dg.load_assets_from_package_module(stations),
    asset_checks=dg.load_asset_checks_from_package_module(stations),
    jobs=[*jobs.LINE, *jobs.ACTS, *questions.JOBS, checks.check_job],
    executor=dg.in_process_executor,  # stations start processes for what is heavy; one more for each would only cost
    sensors=[sensors.task_files, sensors.target_changes, sensors.pool_changes],
    resources={"line": Line(task_file="", overrides=[])},
)
