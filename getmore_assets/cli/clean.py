"""`getmore clean`: delete unreferenced files of a lake.

Belongs here: options and output. Does not: finding unreferenced files (`cleaning.py`).
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click

from getmore_assets.cli.execution import json_option, log_to_terminal
from getmore_assets.cli.exits import refusals
from getmore_assets.errors import BadInput
from getmore_assets.task_parsing import load_task

_MOST_LISTED_FILES = 20


@click.command()
@click.argument("task", type=click.Path(dir_okay=False), metavar="TASK.yaml")
@click.option(
    "--older-than",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    metavar="DAYS",
    help="Keep younger files, and files that younger records refer to.",
)
@click.option("--delete", is_flag=True, help="Delete, and compact tables. Without this option nothing changes.")
@json_option
def clean(task: str, older_than: int, delete: bool, as_json: bool) -> None:
    """List unreferenced files of a lake, or delete them.

    Covers all tasks of the lake: old versions of tables, pools and vectors of tasks that are gone, models without a
    record, files of interrupted runs, and files that repairs set aside. Run nothing else on the lake with --delete.
    """
    with refusals(as_json):
        chosen = load_task(task)
        log_to_terminal()
        from getmore_assets.cleaning import clean as clean_lake
        from getmore_assets.cleaning import compact
        from getmore_assets.lake import Lake

        lake = Lake(chosen.lake)
        if not lake.root.is_dir():
            raise BadInput(f"lake {lake.root}", "there is no such lake", f"Run the task first: getmore run {task}")
        found = clean_lake(lake, datetime.now(UTC) - timedelta(days=older_than), delete)
        fewer = compact(lake) if delete else {}
    for waste in found[:_MOST_LISTED_FILES]:
        click.echo(f"{waste.kind:<8} {waste.size / 2**20:>10,.1f} MiB  {waste.path}", err=True)
    if len(found) > _MOST_LISTED_FILES:
        click.echo(f"... and {len(found) - _MOST_LISTED_FILES} more", err=True)
    for name, count in fewer.items():
        click.echo(f"{name}: {count} files fewer", err=True)
    freed = sum(waste.size for waste in found if waste.kind != "rows")
    what = "deleted" if delete else f"could be deleted: getmore clean {task} --older-than {older_than} --delete"
    click.echo(f"{len(found)} found, {freed / 2**20:,.1f} MiB {what}", err=True)
    if as_json:
        click.echo(
            json.dumps({"deleted": delete, "bytes": freed, "found": [asdict(w) for w in found], "files_fewer": fewer})
        )
