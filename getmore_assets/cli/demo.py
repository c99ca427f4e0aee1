"""`getmore demo`: the whole pipeline on text that every machine has.

Belongs here: putting the task file of the demo into this folder. Does not: running it (`run.py`).
"""

from importlib.resources import files
from pathlib import Path

import click

from getmore_assets.cli.execution import json_option
from getmore_assets.cli.live import verbosity_options
from getmore_assets.cli.run import run_job

_FILE = "demo.yaml"


@click.command()
@verbosity_options
@json_option
def demo(as_json: bool) -> None:
    """Run the pipeline on the documentation of your packages.

    Nothing is downloaded. Writes demo.yaml into this folder, where it is not there yet, and runs it: about
    3 minutes on two cores. Change the file and `getmore run demo.yaml` for the next run.
    """
    file = Path(_FILE)
    if not file.exists():
        file.write_text(_text(), "utf-8")
        click.echo(f"wrote {file}", err=True)
    run_job("run", str(file), (), as_json)


def _text() -> str:
    """The demo's task file: in an installed package beside the code, in a checkout among the tasks.

    In a checkout, the lake is in the folder above `tasks/`; here it is beside the file.
    """
    package = files("getmore_assets")
    beside = package / _FILE
    text = (beside if beside.is_file() else Path(str(package)).parent / "tasks" / _FILE).read_text("utf-8")
    return text.replace("lake: ../", "lake: ")
