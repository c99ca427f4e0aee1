"""`getmore status`: the results of a task, and what a run would compute.

Belongs here: output. Does not: whether a stage is current (`stages/status.py`).
"""

import json

import click

from getmore_assets.cli.execution import log_to_terminal, task_command
from getmore_assets.cli.exits import refusals
from getmore_assets.cli.terminal import ERR, OUT, print_table
from getmore_assets.task_parsing import load_task


@click.command()
@task_command
def status(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """List the results of a task, and what a run would compute.

    Prints for each stage its rows, when it was materialized, how long it took, and whether a run would use it. Nothing
    is computed or written.
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
        last = {stage: records.last(stage) for stage in STAGE_NAMES}
        statuses = stage_statuses(chosen) if any(last.values()) else {}
        current = {name: bool(status.record) for name, status in statuses.items()}
    stages = [
        {
            "stage": stage,
            "state": "missing" if record is None else "current" if current.get(stage) else "outdated",
            "rows": record.rows if record else None,
            "seconds": record.seconds if record else None,
            "materialized": record.made_at if record else None,
        }
        for stage, record in last.items()
    ]
    subset = last["selected_subset"]
    waits = bool(chosen.approval and subset and not approval.is_given(lake, chosen, subset.data_version))
    rows = [
        (
            stage["stage"],
            stage["state"],
            "" if stage["rows"] is None else f"{stage['rows']:,}",
            "" if stage["seconds"] is None else f"{stage['seconds']:,.1f}",
            stage["materialized"] or "",
        )
        for stage in stages
    ]
    out = ERR if as_json else OUT
    head = ("stage", "state", "rows", "seconds", "materialized")
    print_table(out, head, rows, f"{chosen.name} in {lake.root}", numbers=[False, False, True, True])
    if waits:
        out.print(f"the selection waits for an approval: getmore approve {task}", markup=False, soft_wrap=True)
    todo = [str(stage["stage"]) for stage in stages if stage["state"] != "current"]
    following = f"a run would compute: {', '.join(todo)}" if todo else "everything is current: a run has nothing to do"
    out.print(following, markup=False, soft_wrap=True)
    if as_json:
        click.echo(json.dumps({"task": chosen.name, "lake": str(lake.root), "waits": waits, "stages": stages}))
