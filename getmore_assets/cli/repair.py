"""`getmore repair`: set aside damaged files of a lake, and recompute them.

Belongs here: output, and the job that recomputes. Does not: repairing (`repair.py` of the package).
"""

import json
from dataclasses import asdict

import click

from getmore_assets.cli.execution import json_option, log_to_terminal
from getmore_assets.cli.exits import refusals
from getmore_assets.cli.live import verbosity_options
from getmore_assets.cli.run import run_pipeline
from getmore_assets.errors import BadInput
from getmore_assets.task_parsing import load_task

_MODELS = ("warmed_model", "finetuned_model", "scorecard")


@click.command()
@click.argument("task", type=click.Path(dir_okay=False), metavar="TASK.yaml")
@json_option
@verbosity_options
def repair(task: str, as_json: bool) -> None:
    """Set aside damaged files of a lake, and recompute them.

    Reads the whole lake, moves damaged files to `damaged/`, and runs the task as far as it was run before. Other tasks
    of the lake recompute their missing files in their next run. Run nothing else on the lake during a repair.
    """
    with refusals(as_json):
        chosen = load_task(task)
        log_to_terminal()
        from getmore_assets import damage
        from getmore_assets.lake import Lake
        from getmore_assets.records import STAGE_NAMES, Records
        from getmore_assets.repair import repair_fit, repair_lake

        lake = Lake(chosen.lake)
        if not lake.root.is_dir():
            raise BadInput(f"lake {lake.root}", "there is no such lake", f"Run the task first: getmore run {task}")
        records = Records(lake, chosen.name)
        materialized = [stage for stage in STAGE_NAMES if records.was_materialized(stage)]
        healed = repair_lake(lake)
        if fit := repair_fit(chosen, lake):
            healed.append(fit)
        for damaged in healed:
            click.echo(f"{damaged.kind}: {damaged.path} {damaged.what}", err=True)
        untracked = damage.untracked(lake)
        if untracked:
            from getmore_assets.stages.mlflow_run import track_again

            for record in untracked:
                Records(lake, record.task).put(track_again(lake, record))
                click.echo(f"MLflow: {record.stage} of {record.task} is tracked again", err=True)
    if healed and materialized:
        run_pipeline("run" if set(materialized) & set(_MODELS) else "select", chosen, task, (), as_json)
    click.echo(f"{len(healed)} damaged, {len(untracked)} tracked again; the lake is repaired", err=True)
    if as_json:
        files = [{**asdict(damaged), "path": str(damaged.path)} for damaged in healed]
        click.echo(json.dumps({"task": chosen.name, "healed": files, "tracked_again": len(untracked)}))
