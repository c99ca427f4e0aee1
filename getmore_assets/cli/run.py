"""`getmore run` and `getmore select`: the line, or the line as far as the subset.

Belongs here: what is printed at their end. Does not: running a job (`execution.py`).
"""

import json
from typing import Any

import click

from getmore_assets.cli.execution import end_on_failure, execute, log_to_terminal, refusals, verb
from getmore_assets.cli.terminal import ERR, cell
from getmore_assets.config import Task
from getmore_assets.task_files import load_task

_BAR = 30  # characters of a bar that is the whole run


@click.command()
@verb
def run(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run the whole line, from the sources to the scorecard.

    KEY=VALUE changes a field of the task file, for example selection.budget.rows=500.
    """
    _run("run", task, overrides, as_json)


@click.command()
@verb
def select(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run the line as far as the selected subset.

    KEY=VALUE changes a field of the task file, for example selection.budget.rows=500.
    """
    _run("select", task, overrides, as_json)


def carry(job: str, task: Task, path: str, overrides: tuple[str, ...], as_json: bool) -> list[Any]:
    """Run the job `run` or `select` on a task, once its input has been looked at; ends the command where it fails.

    Returns:
        Dagster's events.
    """
    with refusals(as_json):
        from getmore_assets import preflight, tracking

        if job == "run":
            tracking.require_reachable()
        preflight.check(task)
        by_model = job == "select" and task.selection.asks_a_model
        events = execute("select_by_model" if by_model else job, path, overrides, task)
    end_on_failure(events, as_json)
    return events


def _run(job: str, path: str, overrides: tuple[str, ...], as_json: bool) -> None:
    with refusals(as_json):
        task = load_task(path, overrides)
        log_to_terminal()
    events = carry(job, task, path, overrides, as_json)
    stations = [_station(event) for event in events if event.is_step_materialization]
    made = _summary(task, stations)
    _print(task, made)
    if as_json:
        click.echo(json.dumps(made))


def _station(event: Any) -> dict[str, Any]:
    metadata = event.step_materialization_data.materialization.metadata
    return {"name": event.asset_key.path[-1], **{k: metadata[k].value for k in ("seconds", "peak_rss_mb", "status")}}


def _summary(task: Task, stations: list[dict[str, Any]]) -> dict[str, Any]:
    from getmore_assets.lake import Lake
    from getmore_assets.records import STATIONS, Records

    records = Records(Lake(task.lake), task.name)
    made = {s["name"]: record for s in stations if (record := records.get(s["name"]))}
    found: dict[str, Any] = {
        "task": task.name,
        "selected": made["selected_subset"].folders["parquet"],
        "models": {name: r.folders["model"] for name, r in made.items() if "model" in r.folders},
        "report": None,
        "stations": sorted(stations, key=lambda s: STATIONS.index(s["name"])),
        "scorecard": [],
    }
    if "scorecard" in made:
        facts = made["scorecard"].facts
        found |= {
            "report": made["scorecard"].folders["report"],
            "verdict": facts["verdict"],
            "summary": facts["summary"],
        }
        found["scorecard"] = [{k: v for k, v in row.items() if v is not None} for row in facts["scored"]]
    return found


def _print(task: Task, made: dict[str, Any]) -> None:
    from rich.table import Table

    from getmore_assets.reporting import statistics

    spent = {station["name"]: station["seconds"] for station in made["stations"] if station["status"] == "made"}
    together = sum(spent.values())
    title = f"{task.name}: {together:.0f} s of work" if spent else f"{task.name}: nothing to do"
    table = Table("station", "status", "seconds", "of this run", "peak MiB", title=title, title_justify="left")
    for station in made["stations"]:
        name, seconds, peak = (station[key] for key in ("name", "seconds", "peak_rss_mb"))
        share = round(_BAR * spent.get(name, 0) / together) if spent else 0
        table.add_row(name, station["status"], f"{seconds:.1f}", "█" * share, f"{peak:.0f}")
    ERR.print(table)
    if made["scorecard"]:
        metrics = list(next(iter(made["summary"].values())))
        scored = Table(
            "selector", *metrics, title=f"scorecard: mean ± 95 % over {task.seeds} seeds", title_justify="left"
        )
        for selector, values in made["summary"].items():
            scored.add_row(cell(statistics.shown(selector)), *(values[m] for m in metrics))
        ERR.print(scored)
        for sentence in made["verdict"]:
            ERR.print(sentence, markup=False, soft_wrap=True)
    places = {"selection": made["selected"], **made["models"], "report": made["report"]}
    for name, place in places.items():
        if place:
            click.echo(f"{name}: {place}", err=True)
