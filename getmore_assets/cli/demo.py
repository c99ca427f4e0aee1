"""`getmore demo`: the whole pipeline on text that every machine has.

Belongs here: writing the demo's task file. Does not: running it (`run.py`).
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

    Writes demo.yaml into this folder unless it exists, and runs it in 3 to 5 minutes on two cores. Nothing is
    downloaded. Edit the file and call `getmore run demo.yaml` for the next run.
    """
    file = Path(_FILE)
    if not file.exists():
        file.write_text(_text(), "utf-8")
        click.echo(f"wrote {file}", err=True)
    run_job("run", str(file), (), as_json)


def _text() -> str:
    """Return the demo's task file, which is in the installed package, or in `tasks/` of a checkout.

    The task file of a checkout has its lake in the folder above `tasks/`; here the lake is beside the file.
    """
    package = files("getmore_assets")
    installed = package / _FILE
    text = (installed if installed.is_file() else Path(str(package)).parent / "tasks" / _FILE).read_text("utf-8")
    return text.replace("lake: ../", "lake: ")
