"""Jobs, named like the commands of the command line."""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from getmore_assets.defs import query_jobs
from getmore_assets.defs.assets import every_check
from getmore_assets.defs.failed_targets import CHECK
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.defs.resource import GetmoreResource
from getmore_assets.defs.target_jobs import TargetJob
from getmore_assets.exports import FORMATS
from getmore_assets.exports.formats import export as write
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.reselection import approval
from getmore_assets.stages.table import STAGES

_UP_TO_SUBSET = list(STAGES)[: list(STAGES).index("selected_subset") + 1]
#: The asset jobs: stages and description.
_ASSET_JOBS = {
    "run": (list(STAGES), "The whole pipeline, from the sources to the scorecard."),
    "select": (
        [name for name in _UP_TO_SUBSET if name != "base_model"],
        "From the sources to the selected subset, for selectors that use no model.",
    ),
    "select_by_model": (
        _UP_TO_SUBSET,
        "From the sources and the base model to the selected subset, for selectors that use the model.",
    ),
}


def asset_jobs(pipeline: Pipeline) -> list[Any]:
    """Return the jobs `run`, `select` and `select_by_model`, and `failed_targets` if targets are partitions."""
    failed_targets = dg.AssetSelection.checks(dg.AssetCheckKey(pipeline.key("target_data"), CHECK))
    jobs = []
    for name, (stages, description) in _ASSET_JOBS.items():
        selection: dg.AssetSelection = dg.AssetSelection.assets(*(pipeline.key(stage) for stage in stages))
        if pipeline.partitions is not None:
            selection -= failed_targets
        jobs.append(dg.define_asset_job(pipeline.named(name), selection, description=description, tags=pipeline.tags))
    if pipeline.partitions is not None:
        description = "Whether the last run of any target failed; the sensors report it too."
        jobs.append(dg.define_asset_job(pipeline.named("failed_targets"), failed_targets, description=description))
    return jobs


def approve_selection(context: dg.OpExecutionContext, getmore: GetmoreResource) -> None:
    """Approve a target's selection, so that models are trained on it (`approval: true` in the task file)."""
    task = getmore.task()
    lake = Lake(task.lake)
    record = Records(lake, task.name).require("selected_subset", "Run the job `select` first")
    approval.give(lake, task, record.data_version, f"Dagster run {context.run_id}")
    context.log.info(f"{task.name}: selection {record.data_version} of {record.rows} rows is approved")


class Export(dg.Config):
    """Formats, folder and rows of an export."""

    formats: list[str] = Field(["parquet"], description=f"any of: {', '.join(FORMATS)}")
    to: str = Field("", description="the folder; empty: `exports/TASK/files` in the lake")
    every: bool = Field(False, description="all candidates with their scores, in place of the selected rows")


def write_files(context: dg.OpExecutionContext, getmore: GetmoreResource, config: Export) -> None:
    """Export a target's selection as Parquet, JSONL, a data set or a trainer's block, or its models with a card."""
    task = getmore.task()
    folder = Path(config.to) if config.to else Lake(task.lake).folder("exports", task.name, "files")
    written = write(task, config.formats, folder, config.every)
    context.add_output_metadata({name: dg.MetadataValue.path(path) for name, path in written.items()})


JOBS = [
    TargetJob("approve", approve_selection),
    TargetJob("export", write_files, Export),
    TargetJob("check", every_check),
    *query_jobs.JOBS,
]
