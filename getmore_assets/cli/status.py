"""`getmore status`: what is in the lake of a task, and what a run would do.

Belongs here: what is printed. Does not: whether a stage is current (`stages/status.py`).
"""

import json

import click

from getmore_assets.cli.execution import log_to_terminal, verb
from getmore_assets.cli.exits import refusals
from getmore_assets.cli.terminal import ERR, OUT, print_table
from getmore_assets.task_files import load_task


@click.command()
@verb
def status(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """List what is in the lake of a task, and what a run would do.

    For each stage: rows, when it was materialized and how long it took, and whether a run would use it again. Nothing
    is computed and nothing is written.
    """
    with refusals(as_json):
        chosen = load_task(task, overrides)
        log_to_terminal()
        from getmore_assets.lake import Lake
        from getmore_assets.records import STAGE_NAMES, Records
        from getmore_assets.reselection import approval
        from getmore_assets.stages.status import stage_statuses

        lake = Lake(chosen.lake)
        records = Records(lake, chosen.name)
        there = {stage: records.last(stage) for stage in STAGE_NAMES}
        current = (
            {name: bool(one.record) for name, one in stage_statuses(chosen).items()} if any(there.values()) else {}
        )
    found = [
        {
            "stage": stage,
            "state": "missing" if record is None else "current" if current.get(stage) else "outdated",
            "rows": record.rows if record else None,
            "seconds": record.seconds if record else None,
            "materialized": record.made_at if record else None,
        }
        for stage, record in there.items()
    ]
    chosen_rows = there["selected_subset"]
    waits = bool(chosen.approval and chosen_rows and not approval.is_given(lake, chosen, chosen_rows.data_version))
    rows = [
        (
            one["stage"],
            one["state"],
            "" if one["rows"] is None else f"{one['rows']:,}",
            "" if one["seconds"] is None else f"{one['seconds']:,.1f}",
            one["materialized"] or "",
        )
        for one in found
    ]
    out = ERR if as_json else OUT
    head = ("stage", "state", "rows", "seconds", "materialized")
    print_table(out, head, rows, f"{chosen.name} in {lake.root}", numbers=[False, False, True, True])
    if waits:
        out.print(f"the selection waits for an approval: getmore approve {task}", markup=False, soft_wrap=True)
    todo = [str(one["stage"]) for one in found if one["state"] != "current"]
    following = f"a run would compute: {', '.join(todo)}" if todo else "everything is current: a run has nothing to do"
    out.print(following, markup=False, soft_wrap=True)
    if as_json:
        click.echo(json.dumps({"task": chosen.name, "lake": str(lake.root), "waits": waits, "stages": found}))
