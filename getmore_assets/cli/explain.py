"""`getmore explain`: why a row is in the selection or out of it.

Belongs here: output. Does not: the explanation (`selection/explain.py`).
"""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from getmore_assets.cli.execution import json_option
from getmore_assets.cli.exits import refusals
from getmore_assets.cli.terminal import OUT, harmless, print_table
from getmore_assets.task_files import load_task

if TYPE_CHECKING:
    from getmore_assets.selection.explain import Explanation

_SHOWN = 200  # characters of a text


@click.command()
@click.argument("task", type=click.Path(dir_okay=False), metavar="TASK.yaml")
@click.argument("row", metavar="ID")
@json_option
def explain(task: str, row: str, as_json: bool) -> None:
    """Say why a row was selected or not.

    What each stage decided, its score and rank, the closest target rows, and what would change the decision.

    ID is the row's id, the first eight characters of it or more, or a piece of its text that no other row has. Of a
    row of the target, it says which split it is in, or was taken out of and why.
    """
    with refusals(as_json):
        chosen = load_task(task)
        from getmore_assets.selection.explain import of_task

        found = of_task(chosen, row)
    if as_json:
        click.echo(json.dumps(asdict(found)))
    else:
        _print(found)


def _print(found: "Explanation") -> None:
    def say(line: object, style: str | None = None) -> None:
        OUT.print(harmless(str(line)), style=style, markup=False, soft_wrap=True)

    say(f"{found.row['id']}: {found.decision}", "bold")
    place = " / ".join(str(found.row[column]) for column in ("domain", "source") if found.row.get(column))
    say(f"{place}, {found.row['origin']}" if place else found.row["origin"])
    if found.row["text"]:
        say(_short(str(found.row["text"])), "dim")
    print_table(OUT, ("stage", "decision", "reason"), found.stages)
    if found.nearest:
        rows = [(f"{one.share:.1%}", f"{one.id[:12]}  {_short(one.text)}") for one in found.nearest]
        print_table(OUT, ("share", "target row"), rows, "closest target rows")
    say("What would change the decision:")
    for change in found.change:
        say(f"- {change}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
