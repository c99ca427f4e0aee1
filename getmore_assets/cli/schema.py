"""`getmore schema`: the JSON schema of the task file.

Belongs here: options and output. Does not: the schema (`config/schema.py`).
"""

import json
from pathlib import Path

import click

from getmore_assets.cli.execution import json_option


@click.command()
@click.option("--to", type=click.Path(dir_okay=False), metavar="FILE.json", help="Output file; default: stdout.")
@json_option
def schema(to: str | None, as_json: bool) -> None:
    """Write the JSON schema of the task file, for editors.

    Editors use the schema to complete and check task files. With --to, prints the comment with which a task file in
    this folder must begin.
    """
    from getmore_assets.config.schema import language_server_line, task_schema, write_schema

    if to is None:
        click.echo(json.dumps(task_schema(), indent=None if as_json else 1))
        return
    line = language_server_line(write_schema(Path(to)), Path.cwd())
    click.echo(json.dumps({"schema": to, "line": line}) if as_json else line)
