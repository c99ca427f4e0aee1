"""`getmore export`: a selection and its models as files for other tools.

Belongs here: what is asked for, what is printed. Does not: the formats (`exports/`).
"""

import json
from pathlib import Path

import click

from getmore_assets.cli.execution import refusals, verb
from getmore_assets.exports import FORMATS
from getmore_assets.task_files import load_task


@click.command()
@verb
@click.option("--format", "formats", type=click.Choice(FORMATS), multiple=True, required=True, help="One or several.")
@click.option(
    "--to", type=click.Path(path_type=Path), metavar="FOLDER", required=True, help="Made where it is missing."
)
@click.option("--all", "every", is_flag=True, help="The scores of all candidates, and whether each was selected.")
def export(
    task: str, overrides: tuple[str, ...], as_json: bool, formats: tuple[str, ...], to: Path, every: bool
) -> None:
    """Write the selection, or the models that came of it, as files.

    parquet, jsonl and huggingface (for `datasets.load_from_disk`) hold the rows in order of rank: id, text, score,
    rank, domain, source; or, of sources with `whole_rows`, each row as it stands there, one file a shape.
    llama-factory, axolotl and trl are the rows and the block that these trainers read them by.
    warmed_model and finetuned_model are copies of the models, each with a model card. What an export left in FOLDER
    before is replaced; other files are never touched.
    """
    with refusals(as_json):
        chosen = load_task(task, overrides)
        from getmore_assets.exports.formats import export as write

        written = write(chosen, formats, to, every)
    for name, path in written.items():
        click.echo(f"{name}: {path}", err=True)
    if as_json:
        click.echo(json.dumps({"task": chosen.name, "exported": {name: str(path) for name, path in written.items()}}))
