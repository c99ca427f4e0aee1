"""`getmore explain`: why a row was selected or not.

Belongs here: output. Does not: the explanation (`selection/explain.py`).
"""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from getmore_assets.cli.execution import json_option
from getmore_assets.cli.exits import refusals
from getmore_assets.cli.terminal import OUT, harmless, print_table
from getmore_assets.task_parsing import load_task

if TYPE_CHECKING:
    from getmore_assets.selection.explain import Explanation

_MOST_CHARS = 200  # characters shown of a text


@click.command()
@click.argument("task", type=click.Path(dir_okay=False), metavar="TASK.yaml")
@click.argument("row", metavar="ID")
@json_option
def explain(task: str, row: str, as_json: bool) -> None:
    """Show why a row was selected or not.

    Prints the decision of each stage, score and rank, the closest target rows, and what would change the decision.

    ID is the row's id, its first eight characters or more, or a piece of text that only this row has. For a row of the
    target, prints its split, or why it was removed from a split.
    """
    with refusals(as_json):
        chosen = load_task(task)
        from getmore_assets.selection.explain import of_task

        explanation = of_task(chosen, row)
    if as_json:
        click.echo(json.dumps(asdict(explanation)))
    else:
        _print(explanation)


def _print(explanation: "Explanation") -> None:
    def say(line: object, style: str | None = None) -> None:
        OUT.print(harmless(str(line)), style=style, markup=False, soft_wrap=True)

    row = explanation.row
    say(f"{row['id']}: {explanation.decision}", "bold")
    group = " / ".join(str(row[column]) for column in ("domain", "source") if row.get(column))
    say(f"{group}, {row['origin']}" if group else row["origin"])
    if row["text"]:
        say(_short(str(row["text"])), "dim")
    print_table(OUT, ("stage", "decision", "reason"), explanation.stages)
    if explanation.nearest:
        rows = [(f"{near.share:.1%}", f"{near.id[:12]}  {_short(near.text)}") for near in explanation.nearest]
        print_table(OUT, ("share", "target row"), rows, "closest target rows")
    say("What would change the decision:")
    for change in explanation.change:
        say(f"- {change}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARS else f"{line[:_MOST_CHARS]}…"
