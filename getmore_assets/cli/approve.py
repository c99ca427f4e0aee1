"""`getmore approve`: let the selection that is there be trained on.

Belongs here: saying which one. Does not: what an approval is (`reselection/approval.py`).
"""

import getpass
import json

import click

from getmore_assets.cli.execution import refusals, verb
from getmore_assets.task_files import load_task


@click.command()
@verb
@click.option("--by", help="Who approves it; the user's name without it.")
def approve(task: str, overrides: tuple[str, ...], as_json: bool, by: str | None) -> None:
    """Let models be trained on the selection that is there.

    For a task with `approval: true`, whose line stops at the selected subset until then.
    """
    with refusals(as_json):
        chosen = load_task(task, overrides)
        from getmore_assets.lake import Lake
        from getmore_assets.records import Records
        from getmore_assets.reselection import approval

        lake = Lake(chosen.lake)
        made = Records(lake, chosen.name).require("selected_subset", f"Run `getmore select {task}`")
        approval.give(lake, chosen, made.data_version, by or getpass.getuser())
    click.echo(
        f"{chosen.name}: selection {made.data_version[:12]} of {made.rows} rows, made {made.made_at}, approved",
        err=True,
    )
    if as_json:
        click.echo(json.dumps({"task": chosen.name, "approved": made.data_version}))
