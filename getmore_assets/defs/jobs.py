"""Jobs: the pipeline, and parts of it, under the names of the command line's verbs."""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from getmore_assets.defs import query_jobs
from getmore_assets.defs.assets import every_check
from getmore_assets.defs.inventory import CHECK
from getmore_assets.defs.line import Line
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.defs.target_jobs import TargetJob
from getmore_assets.exports import FORMATS
from getmore_assets.exports.formats import export as write
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.reselection import approval
from getmore_assets.stages.table import STAGES

_UP_TO_SUBSET = list(STAGES)[: list(STAGES).index("selected_subset") + 1]
#: Of the jobs of assets: their stages, and what they are for.
_PARTS = {
    "run": (list(STAGES), "The whole pipeline, from the sources to the scorecard."),
    "select": (
        [name for name in _UP_TO_SUBSET if name != "base_model"],
        "From the sources to the selected subset, for selectors that ask no model.",
    ),
    "select_by_model": (
        _UP_TO_SUBSET,
        "From the sources and the base model to the selected subset, for selectors that ask the model.",
    ),
}


def asset_jobs(pipeline: Pipeline) -> list[Any]:
    """Return the jobs `run`, `select` and `select_by_model`, and `inventory` where targets are partitions.

    Each selects the pipeline's own assets and their checks, whatever else stands in the project.
    """
    of_all_targets = dg.AssetSelection.checks(dg.AssetCheckKey(pipeline.key("target_data"), CHECK))
    has_inventory = pipeline.partitions is not None
    found = []
    for name, (stages, description) in _PARTS.items():
        selected = dg.AssetSelection.assets(*(pipeline.key(stage) for stage in stages))
        selection = selected - of_all_targets if has_inventory else selected
        found.append(dg.define_asset_job(pipeline.named(name), selection, description=description, tags=pipeline.tags))
    if has_inventory:
        description = "Whether any target stands failed; the sensors report it too."
        found.append(dg.define_asset_job(pipeline.named("inventory"), of_all_targets, description=description))
    return found


def approve_selection(context: dg.OpExecutionContext, line: Line) -> None:
    """Approve a target's selection, so that models are trained on it (`approval: true` in the task file)."""
    task = line.task()
    lake = Lake(task.lake)
    made = Records(lake, task.name).require("selected_subset", "Run the job `select` first")
    approval.give(lake, task, made.data_version, f"Dagster run {context.run_id}")
    context.log.info(f"{task.name}: selection {made.data_version} of {made.rows} rows is approved")


class Export(dg.Config):
    """What is exported, and where to."""

    formats: list[str] = Field(["parquet"], description=f"of: {', '.join(FORMATS)}")
    to: str = Field("", description="the folder; empty: `exports/TASK/files` in the lake")
    every: bool = Field(False, description="all candidates with their scores, in place of the selected rows")


def write_files(context: dg.OpExecutionContext, line: Line, config: Export) -> None:
    """A target's selection as Parquet, JSONL, a data set or a trainer's block, or its models with a card."""
    task = line.task()
    folder = Path(config.to) if config.to else Lake(task.lake).folder("exports", task.name, "files")
    written = write(task, config.formats, folder, config.every)
    context.add_output_metadata({name: dg.MetadataValue.path(path) for name, path in written.items()})


JOBS = [
    TargetJob("approve", approve_selection),
    TargetJob("export", write_files, Export),
    TargetJob("check", every_check),
    *query_jobs.JOBS,
]
