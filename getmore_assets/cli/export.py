"""`getmore export`: a selection and its models as files for other tools.

Belongs here: options and output. Does not: the formats (`exports/`).
"""

import json
from pathlib import Path

import click

from getmore_assets.cli.execution import task_command
from getmore_assets.cli.exits import refusals
from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.exports import FORMATS, MODELS
from getmore_assets.task_parsing import load_task


@click.command()
@task_command
@click.option("--format", "formats", type=click.Choice(FORMATS), multiple=True, required=True, help="One or several.")
@click.option(
    "--to", metavar="FOLDER", required=True, help="A folder, created if missing, or s3://, gs://, az:// or hf://."
)
@click.option("--all", "every", is_flag=True, help="All candidates with their scores, and whether each was selected.")
def export(
    task: str, overrides: tuple[str, ...], as_json: bool, formats: tuple[str, ...], to: str, every: bool
) -> None:
    """Write the selected rows, or the models trained on them, as files.

    parquet, jsonl, csv and huggingface (for `datasets.load_from_disk`) have the rows in order of rank: id, text, score,
    rank, domain, source. Rows of sources with `whole_rows` are exported unchanged, in one file per shape.
    llama-factory, axolotl and trl are the rows with these trainers' configuration.
    hub is a data set with a card. warmed_model and finetuned_model are copies of the models, each with a model card.
    Files of an earlier export in FOLDER are replaced; other files are never changed.

    With --to hf://OWNER/NAME, hub or a model is uploaded to the Hugging Face hub with the token in HF_TOKEN; a new
    repository is private.
    """
    with refusals(as_json):
        chosen = load_task(task, overrides)
        from getmore_assets import remote_files
        from getmore_assets.exports.formats import export as write
        from getmore_assets.exports.hub import repository
        from getmore_assets.exports.trainers import TRAINERS

        if name := repository(to):
            _publish(chosen, formats, to, name, every, as_json)
            return
        remote = remote_files.is_remote(to)
        if remote and (trainers := sorted(set(formats) & set(TRAINERS))):
            what = f"{trainers[0]} needs a configuration that names a local file"
            raise BadInput(f"--to {to}", what, "Give a local folder for this format")
        with remote_files.writable(to) as folder:
            written = write(chosen, formats, folder, every)
    shown = {name: f"{to.rstrip('/')}/{name}" if remote else str(path) for name, path in written.items()}
    for name, path in shown.items():
        click.echo(f"{name}: {path}", err=True)
    if as_json:
        click.echo(json.dumps({"task": chosen.name, "exported": shown}))


def _publish(task: Task, formats: tuple[str, ...], to: str, name: str, every: bool, as_json: bool) -> None:
    """Write a data set or a model, and upload it to the hub."""
    from tempfile import TemporaryDirectory

    from getmore_assets.exports.formats import export as write
    from getmore_assets.exports.hub import publish

    if len(formats) != 1 or formats[0] not in ("hub", *MODELS):
        what = f"a repository holds one data set or one model, not {', '.join(formats)}"
        raise BadInput(f"--to {to}", what, f"Give one --format of: hub, {', '.join(MODELS)}")
    with TemporaryDirectory(prefix="getmore-hub-") as folder:
        (written,) = write(task, formats, Path(folder), every).values()
        commit = publish(written, name, "dataset" if formats[0] == "hub" else "model")
    click.echo(f"{formats[0]}: {commit}", err=True)
    if as_json:
        click.echo(json.dumps({"task": task.name, "exported": {formats[0]: commit}}))
