"""`getmore doctor`: whether this machine can run the pipeline.

Belongs here: output, and examining Dagster's store, because only the command line and `defs/` may import Dagster. Does
not: the other examinations (`doctor.py` of the package).
"""

import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from getmore_assets.cli.execution import json_option, log_to_terminal, open_instance
from getmore_assets.cli.exits import FAILED, refusals
from getmore_assets.cli.terminal import ERR, OUT, cell
from getmore_assets.config import Task
from getmore_assets.task_parsing import load_task

if TYPE_CHECKING:
    from getmore_assets.doctor import Finding
    from getmore_assets.lake import Lake


@click.command()
@click.argument("task", required=False, type=click.Path(dir_okay=False), metavar="[TASK.yaml]")
@click.option("--deep", is_flag=True, help="Read every row and hash every file of the lake.")
@json_option
def doctor(task: str | None, deep: bool, as_json: bool) -> None:
    """Check whether this machine can run the pipeline.

    Examines versions, devices, disk, the stores (lake, MLflow, Dagster), the packaged model and the hub; with TASK.yaml
    also the task's models, and its lake for damage: damaged files, since when, and what depends on them. Prints a fix
    for each problem, and changes nothing. Exit code 1 if there is a problem.
    """
    with refusals(as_json):
        chosen = load_task(task) if task else None
        log_to_terminal()
        from getmore_assets.doctor import BAD, OK, WARNING, examine
        from getmore_assets.lake import Lake

        lake = Lake(chosen.lake if chosen else Task.model_fields["lake"].default)
        found = examine(chosen, lake, _dagster, deep)
    colours = {OK: "green", WARNING: "yellow", BAD: "bold red"}
    counts = Counter(finding.state for finding in found)
    out = ERR if as_json else OUT
    for finding in found:
        line = cell(f"{finding.state:<9}{finding.about:<16}{finding.found}")
        line.stylize(colours[finding.state], 0, len(finding.state))
        out.print(line, soft_wrap=True)
        if finding.fix:
            out.print(cell(f"{'':<25}{finding.fix}"), soft_wrap=True)
    out.print(", ".join(f"{state} {counts[state]}" for state in colours if counts[state]))
    if as_json:
        states = {state: counts[state] for state in colours}
        click.echo(json.dumps({"task": chosen.name if chosen else None, **states, "found": [asdict(f) for f in found]}))
    if counts[BAD]:
        sys.exit(FAILED)


def _dagster(lake: "Lake") -> "Iterator[Finding]":
    """Examine the store of Dagster's runs, at `DAGSTER_HOME` or in the lake."""
    from getmore_assets.doctor import OK, Finding

    home = os.environ.get("DAGSTER_HOME")
    if not home and not (lake.root / "dagster").is_dir():
        yield Finding(
            "DAGSTER_HOME", OK, f"not set: runs are kept in {lake.root}/dagster, which will be created on the first run"
        )
        return
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    import dagster as dg

    logging.getLogger("dagster").setLevel(logging.ERROR)
    with open_instance(dg, lake) as instance:
        runs = instance.get_runs_count()
    yield Finding("DAGSTER_HOME", OK, f"{home or f'not set: {lake.root}/dagster'}, with {runs:,} runs")
