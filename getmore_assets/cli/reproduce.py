"""`getmore reproduce`: repeat a selection from its recorded versions, and compare the two.

Belongs here: output. Does not: reproducing (`stages/reproduction.py`).
"""

import json
import sys

import click

from getmore_assets.cli import live
from getmore_assets.cli.execution import json_option, log_to_terminal
from getmore_assets.cli.exits import FAILED, refusals


@click.command()
@click.argument("run")
@click.option("--lake", default=".getmore", show_default=True, help="The lake of the selection.")
@json_option
@live.verbosity_options
def reproduce(run: str, lake: str, as_json: bool) -> None:
    """Repeat a selection from its recorded versions, and compare the two.

    RUN is the Dagster run that materialized the selection, the MLflow run of a model trained on it, or the selection's
    hash; the first eight characters suffice. The potentials are solved again from the same start. The lake's tables are
    not changed. Exit code 1 if the selections differ.
    """
    with refusals(as_json):
        log_to_terminal()
        from getmore_assets.lake import Lake
        from getmore_assets.stages import reproduction

        selection = reproduction.find(Lake(lake), run)
        with live.shown():
            result = reproduction.reproduce(Lake(lake), selection)
    same = result["hash"] == result["expected"]
    about = f"{selection.task}, materialized {selection.made_at}: {selection.rows} rows"
    click.echo(f"{about}, hash {result['expected']}", err=True)
    outcome = "the same" if same else f"DIFFERENT, hash {result['hash']}, Jaccard {result['jaccard']:.4f}"
    click.echo(f"repeated: {outcome}")
    if as_json:
        click.echo(json.dumps({"same": same, **result}))
    if not same:
        sys.exit(FAILED)
