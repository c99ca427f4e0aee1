"""`getmore plan`: what a run will take, before it is run.

Belongs here: what is printed. Does not: counting, or what earlier runs tell (`stages/run_plan.py`).
"""

import json
from itertools import groupby
from typing import TYPE_CHECKING

import click

from getmore_assets.cli import live
from getmore_assets.cli.execution import log_to_terminal, verb
from getmore_assets.cli.exits import refusals
from getmore_assets.cli.terminal import OUT, cell, print_table
from getmore_assets.task_files import load_task

if TYPE_CHECKING:
    from getmore_assets.stages.run_plan import Plan

_HOUR, _MINUTE = 3600, 60


@click.command()
@verb
def plan(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Say what a run would compute, and how long that took last.

    Every row of the sources is read and counted. A stage whose cache key is that of its record is cached; of the
    others, seconds and peak memory are those of the last run in this lake. Nothing is written to the lake, nothing is
    downloaded.
    """
    with refusals(as_json):
        loaded = load_task(task, overrides)
        log_to_terminal()
        from getmore_assets.stages.run_plan import plan as planned

        with live.shown():
            found = planned(loaded)
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        _print(found)


def _print(found: "Plan") -> None:
    from getmore_assets.corpus.reading import summary

    rows = []
    for one in found.stages:
        figures = ["", ""] if one.cached else [_time(one.seconds), _number(one.peak_rss_mb)]
        rows.append((one.stage, "cached" if one.cached else "new", _count(one.rows), *figures))
    rows.append(("together", "", "", _time(found.seconds), ""))
    columns = ("stage", "", "rows", "time", "peak MiB")
    print_table(OUT, columns, rows, f"{found.task}: plan", numbers=[False, False, True, True, True])
    for (why, how), alike in groupby(found.stages, key=lambda one: (one.why, one.how)):
        names = [one.stage for one in alike]
        of = names[0] if len(names) == 1 else "every stage" if len(names) == len(found.stages) else ", ".join(names)
        OUT.print(cell(f"{of}: {why}; {how}"), soft_wrap=True, style="dim")
    for read in found.sources:
        OUT.print(cell(summary(read)), soft_wrap=True)
    for note in found.notes:
        OUT.print(cell(note), soft_wrap=True)
    OUT.print(f"planned in {found.planned_in_seconds:.0f} s")


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
