"""Jobs: the line, and parts of it, under the names of the command line's verbs."""

import dagster as dg

from getmore_assets.defs.inventory import no_target_stands_failed
from getmore_assets.defs.line import Line, targets
from getmore_assets.errors import BadInput
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
    made = Records(lake, task.name).get("selected_subset")
    if made is None:
        raise BadInput(f"selected_subset of {task.name}", "has not been made", "Run the job `select` first")
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
