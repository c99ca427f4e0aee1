"""`getmore approve`: approve the current selection for training.

Belongs here: saying which one. Does not: what an approval is (`reselection/approval.py`).
"""

import getpass
import json

import click

from getmore_assets.cli.execution import verb
from getmore_assets.cli.exits import refusals
from getmore_assets.task_files import load_task


@click.command()
@verb
@click.option("--by", help="Who approves it; the user's name without it.")
def approve(task: str, overrides: tuple[str, ...], as_json: bool, by: str | None) -> None:
    """Approve the current selection for training.

    For a task with `approval: true`, which stops at the selected rows until then.
    """
    with refusals(as_json):
        chosen = load_task(task, overrides)
        from getmore_assets.lake import Lake
        from getmore_assets.records import Records
        from getmore_assets.reselection import approval

        lake = Lake(chosen.lake)
        made = Records(lake, chosen.name).require("selected_subset", f"Run `getmore select {task}`")
        already = approval.is_given(lake, chosen, made.data_version)
        approval.give(lake, chosen, made.data_version, by or getpass.getuser())
    about = f"{chosen.name}: selection {made.data_version[:12]}, {made.rows:,} rows, of {made.made_at}"
    if not chosen.approval:
        said = "nothing waited: the task file does not set `approval: true`, so `getmore run` trains without one"
    else:
        said = "was approved before; nothing waited" if already else f"approved; go on with: getmore run {task}"
    click.echo(f"{about}: {said}", err=True)
    if as_json:
        waited = chosen.approval and not already
        click.echo(json.dumps({"task": chosen.name, "approved": made.data_version, "waited": waited}))
