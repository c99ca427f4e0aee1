"""Jobs: the line, and parts of it, under the names of the command line's verbs."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from getmore_assets.defs.inventory import no_target_stands_failed
from getmore_assets.defs.line import Line, targets
from getmore_assets.exports import FORMATS
from getmore_assets.exports.formats import export as write
from getmore_assets.lake import Lake
from getmore_assets.records import STATIONS, Records
from getmore_assets.reselection import approval

_UP_TO_SUBSET = dg.AssetSelection.assets(*STATIONS[: STATIONS.index("selected_subset") + 1])
_OF_ALL_TARGETS = dg.AssetSelection.checks(no_target_stands_failed)

select = dg.define_asset_job(
    "select",
    _UP_TO_SUBSET - dg.AssetSelection.assets("base_model") - _OF_ALL_TARGETS,
    description="From the sources to the selected subset, for selectors that ask no model.",
)
select_by_model = dg.define_asset_job(
    "select_by_model",
    _UP_TO_SUBSET - _OF_ALL_TARGETS,
    description="From the sources and the base model to the selected subset, for selectors that ask the model.",
)
run = dg.define_asset_job(
    "run",
    dg.AssetSelection.all() - _OF_ALL_TARGETS,
    description="The whole line, from the sources to the scorecard.",
)
inventory = dg.define_asset_job(
    "inventory", _OF_ALL_TARGETS, description="Whether any target stands failed; the sensors report it too."
)


@dg.op(description="Let the selection that is there now be trained on.")
def let_train(context: dg.OpExecutionContext, line: Line) -> None:
    """Write the approval of a target's selection."""
    task = line.task(context.partition_key)
    lake = Lake(task.lake)
    made = Records(lake, task.name).require("selected_subset", "Run the job `select` first")
    approval.give(lake, task, made.data_version, f"Dagster run {context.run_id}")
    context.log.info(f"{task.name}: selection {made.data_version} of {made.rows} rows is approved")


@dg.job(
    partitions_def=targets,
    executor_def=dg.in_process_executor,
    description="Approve a target's selection, so that models are trained on it (`approval: true` in the task file).",
)
def approve() -> None:
    """Approve the selection of one target."""
    let_train()


class Export(dg.Config):
    """What is exported, and where to."""

    formats: list[str] = Field(["parquet"], description=f"of: {', '.join(FORMATS)}")
    to: str = Field("", description="the folder; empty: `exports/TASK/files` in the lake")
    every: bool = Field(False, description="all candidates with their scores, in place of the selected rows")


@dg.op(description="Write the selection, or its models, as files for other tools.")
def write_files(context: dg.OpExecutionContext, line: Line, config: Export) -> None:
    """Write what was made of a target last."""
    task = line.task(context.partition_key)
    folder = Path(config.to) if config.to else Lake(task.lake).folder("exports", task.name, "files")
    written = write(task, config.formats, folder, config.every)
    context.add_output_metadata({name: dg.MetadataValue.path(path) for name, path in written.items()})


@dg.job(
    partitions_def=targets,
    executor_def=dg.in_process_executor,
    description="A target's selection as Parquet, JSONL, a data set or a trainer's block, or its models with a card.",
)
def export() -> None:
    """Export what was made of one target."""
    write_files()


LINE = [run, select, select_by_model, inventory]
ACTS = [approve, export]
