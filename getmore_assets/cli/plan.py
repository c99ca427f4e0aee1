"""`getmore plan`: what a run would compute, and how long each stage took last.

Belongs here: output. Does not: planning (`stages/run_plan.py`).
"""

import json
from itertools import groupby
from typing import TYPE_CHECKING

import click

from getmore_assets.cli import live
from getmore_assets.cli.execution import log_to_terminal, task_command
from getmore_assets.cli.exits import refusals
from getmore_assets.cli.terminal import OUT, cell, print_table
from getmore_assets.task_parsing import load_task

if TYPE_CHECKING:
    from getmore_assets.stages.run_plan import Plan

_HOUR, _MINUTE = 3600, 60


@click.command()
@task_command
def plan(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show what a run would compute, and how long each stage took last.

    Reads and counts every row of the sources. A stage whose record has the same cache key is cached; time and peak
    memory of other stages are from their last run in this lake. Nothing is written to the lake or downloaded.
    """
    with refusals(as_json):
        loaded = load_task(task, overrides)
        log_to_terminal()
        from getmore_assets.stages.run_plan import plan as plan_run

        with live.shown():
            planned = plan_run(loaded)
    if as_json:
        click.echo(json.dumps(planned.as_json()))
    else:
        _print(planned)


def _print(planned: "Plan") -> None:
    from getmore_assets.corpus.reading import summary

    rows = []
    for stage in planned.stages:
        figures = ["", ""] if stage.cached else [_time(stage.seconds), _number(stage.peak_rss_mb)]
        rows.append((stage.stage, "cached" if stage.cached else "new", _count(stage.rows), *figures))
    rows.append(("total", "", "", _time(planned.seconds), ""))
    columns = ("stage", "", "rows", "time", "peak MiB")
    print_table(OUT, columns, rows, f"{planned.task}: plan", numbers=[False, False, True, True, True])
    for (why, how), group in groupby(planned.stages, key=lambda stage: (stage.why, stage.how)):
        names = [stage.stage for stage in group]
        every = len(names) == len(planned.stages) > 1
        OUT.print(cell(f"{'every stage' if every else ', '.join(names)}: {why}; {how}"), soft_wrap=True, style="dim")
    for counts in planned.sources:
        OUT.print(cell(summary(counts)), soft_wrap=True)
    for note in planned.notes:
        OUT.print(cell(note), soft_wrap=True)
    OUT.print(f"planned in {planned.planned_in_seconds:.0f} s")


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:,.0f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = whole // _HOUR, whole % _HOUR // _MINUTE
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {whole % _MINUTE:02} s"
