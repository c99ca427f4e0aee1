"""`getmore plan`: what a run will take, before it is run.

Belongs here: what is printed. Does not: measuring and counting (`defs/forecast.py`), or the arithmetic (`planning/`).
"""

import json
from typing import Any

import click

from getmore_assets.cli import live
from getmore_assets.cli.execution import log_to_terminal, refusals, verb
from getmore_assets.cli.terminal import OUT, cell, print_table
from getmore_assets.task_files import load_task

_HOUR, _MINUTE = 3600, 60


@click.command()
@verb
def plan(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Estimate time, memory and disk of a run before it runs.

    Rows, tokens, seconds, peak memory, disk and GPU hours of each station. All rows are counted;
    the rest is measured on this machine, on small samples in a folder that is deleted. Stations
    whose record has the same fingerprint would be reused. Nothing is written to the lake, nothing is downloaded.
    """
    with refusals(as_json):
        loaded = load_task(task, overrides)
        log_to_terminal()
        from getmore_assets.stages.forecast import plan as planned

        with live.shown():
            found = planned(loaded).as_json()
    if as_json:
        click.echo(json.dumps(found))
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    from getmore_assets.corpus.reading import summary

    columns = ("stage", "", "rows", "tokens", "time", "peak MiB", "disk MiB", "GPU h")
    rows = []
    for one in found["stations"]:
        numbers = [_count(one["rows"]), _count(one["tokens"])]
        if one["reused"]:
            rows.append((one["station"], "cached", *numbers, "", "", "", ""))
        else:
            figures = [_time(one["seconds"]), *(_number(one[n]) for n in ("peak_rss_mb", "disk_mb"))]
            rows.append((one["station"], "new", *numbers, *figures, _hours(one["gpu_hours"])))
    whole = [_time(found["seconds"]), _number(found["peak_rss_mb"]), _number(found["disk_mb"])]
    rows.append(("together", "", "", "", *whole, _hours(found["gpu_hours"])))
    print_table(OUT, columns, rows, f"{found['task']}: plan", numbers=[False, False, *[True] * 6])
    for one in found["stations"]:
        OUT.print(cell(f"{one['station']}: {one['why']}. {one['how']}"), soft_wrap=True, style="dim")
    for one in found["sources"]:
        OUT.print(cell(summary(one)), soft_wrap=True)
    for note in found["notes"]:
        OUT.print(cell(note), soft_wrap=True)
    OUT.print(f"planned in {found['planned_in_seconds']:.0f} s")


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def _hours(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = whole // _HOUR, whole % _HOUR // _MINUTE
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {whole % _MINUTE:02} s"
