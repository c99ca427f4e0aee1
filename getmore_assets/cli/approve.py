"""`getmore approve`: approve the current selection for training.

Belongs here: options and output. Does not: storing an approval (`reselection/approval.py`).
"""

import getpass
import json

import click

from getmore_assets.cli.execution import task_command
from getmore_assets.cli.exits import refusals
from getmore_assets.task_parsing import load_task


@click.command()
@task_command
@click.option("--by", help="Name of the approver; default: the user's name.")
def approve(task: str, overrides: tuple[str, ...], as_json: bool, by: str | None) -> None:
    """Approve the current selection for training.

    A run of a task with `approval: true` stops after the selection until the selection is approved.
    """
    with refusals(as_json):
        chosen = load_task(task, overrides)
        from getmore_assets.lake import Lake
        from getmore_assets.records import Records
        from getmore_assets.reselection import approval

        lake = Lake(chosen.lake)
        subset = Records(lake, chosen.name).require("selected_subset", f"Run `getmore select {task}`")
        already = approval.is_given(lake, chosen, subset.data_version)
        approval.give(lake, chosen, subset.data_version, by or getpass.getuser())
    selection = f"{chosen.name}: selection {subset.data_version[:12]}, {subset.rows:,} rows, of {subset.made_at}"
    if not chosen.approval:
        result = "nothing waited: the task file does not set `approval: true`, so `getmore run` needs no approval"
    else:
        result = "was approved before; nothing waited" if already else f"approved; go on with: getmore run {task}"
    click.echo(f"{selection}: {result}", err=True)
    if as_json:
        waited = chosen.approval and not already
        click.echo(json.dumps({"task": chosen.name, "approved": subset.data_version, "waited": waited}))
