"""`getmore reproduce`: make a selection again from the versions it was made from, and compare.

Belongs here: what is printed. Does not: making it again (`stages/reproduction.py`).
"""

import json
import sys

import click

from getmore_assets.cli import live
from getmore_assets.cli.execution import json_option, log_to_terminal
from getmore_assets.cli.exits import FAILED, refusals


@click.command()
@click.argument("run")
@click.option("--lake", default=".getmore", show_default=True, help="The lake that holds it.")
@json_option
@live.verbosity_options
def reproduce(run: str, lake: str, as_json: bool) -> None:
    """Repeat a selection from its pinned versions, and compare.

    RUN is the Dagster run that made it, the MLflow run of a model that came of it, or the selection's hash; the first
    eight characters or more. The potentials are solved for again, from the same start; nothing in the lake's tables is
    changed. Exit code 1 where the selection is another.
    """
    with refusals(as_json):
        log_to_terminal()
        from getmore_assets.lake import Lake
        from getmore_assets.stages import reproduction

        made = reproduction.find(Lake(lake), run)
        with live.shown():
            found = reproduction.reproduce(Lake(lake), made)
    same = found["hash"] == found["expected"]
    click.echo(f"{made.task}, made {made.made_at}: {made.rows} rows, hash {found['expected']}", err=True)
    click.echo(
        "repeated: " + ("the same" if same else f"ANOTHER, hash {found['hash']}, Jaccard {found['jaccard']:.4f}")
    )
    if as_json:
        click.echo(json.dumps({"same": same, **found}))
    if not same:
        sys.exit(FAILED)
