"""The command line: verbs on a task file. Each runs the Dagster job of the same name, in this process.

Belongs here: arguments, progress, what is printed at the end, exit codes. Does not: work.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import STATIONS, Records
from getmore_assets.task_files import load_task

REFUSED, FAILED = 2, 1
_ERR = Console(stderr=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="getmore-assets")
def main() -> None:
    """Choose the rows of a corpus to warm a model up on before fine-tuning it.

    Exit codes: 0 done; 1 a station failed; 2 the input or the command line was refused.
    """


def _verb(command: Any) -> Any:
    command = click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")(command)
    command = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(command)
    return click.argument("task", type=click.Path(dir_okay=False), metavar="TASK.yaml")(command)


@main.command()
@_verb
def run(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run the whole line, from the sources to the scorecard.

    KEY=VALUE changes a field of the task file, for example selection.budget.rows=500.
    """
    _run("run", task, overrides, as_json)


@main.command()
@_verb
def select(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Stop at the selected subset."""
    _run("select", task, overrides, as_json)


def _run(job: str, path: str, overrides: tuple[str, ...], as_json: bool) -> None:
    try:
        task = load_task(path, overrides)
        _log_to_terminal()
        from getmore_assets import preflight

        preflight.check(task)
        stations, errors = _execute(job, path, overrides, task)
    except BadInput as error:
        _refuse(str(error), as_json)
    if errors:
        _fail(errors, as_json)
    made = _summary(task, stations)
    _print(task, made)
    if as_json:
        click.echo(json.dumps(made))


def _log_to_terminal() -> None:
    """Progress of the library on stderr; Dagster's and MLflow's own chatter stays in their stores."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("getmore_assets").setLevel(logging.INFO)
    for noisy in ("mlflow", "alembic", "mlflow.store.db.utils"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _execute(
    job: str, path: str, overrides: tuple[str, ...], task: Task
) -> tuple[list[dict[str, Any]], list[tuple[str, str, bool]]]:
    """Run a job in this process, on the instance that `make dev` shows.

    Returns:
        The stations that ran (name, seconds, peak_rss_mb, status), and the failures (station, message, refused).
    """
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    import dagster as dg

    from getmore_assets.definitions import defs

    lake = Lake(task.lake)
    with lake.lock(f"{task.name}-run"), _instance(dg, lake) as instance:
        if not instance.has_dynamic_partition("target", task.name):
            instance.add_dynamic_partitions("target", [task.name])
        line = {"config": {"task_file": str(Path(path).absolute()), "overrides": list(overrides)}}
        result = defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            partition_key=task.name,
            raise_on_error=False,
            tags={"getmore/task_file": path},
            run_config={"resources": {"line": line}, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    events: list[Any] = list(result.all_events)
    made = [e for e in events if e.is_step_materialization]
    return [_station(e) for e in made], [_failure(e) for e in events if e.is_step_failure]


def _station(event: Any) -> dict[str, Any]:
    metadata = event.step_materialization_data.materialization.metadata
    return {"name": event.asset_key.path[-1], **{k: metadata[k].value for k in ("seconds", "peak_rss_mb", "status")}}


def _failure(event: Any) -> tuple[str, str, bool]:
    """Station, message, and whether its input was refused."""
    error = event.step_failure_data.error
    cause = error.cause or error
    kind, _, said = cause.message.strip().partition(": ")
    return event.step_key, said or kind, kind.endswith("BadInput")


def _instance(dg: Any, lake: Lake) -> Any:
    """The Dagster instance at `DAGSTER_HOME`, or one in the lake."""
    home = os.environ.get("DAGSTER_HOME")
    return dg.DagsterInstance.get() if home else dg.DagsterInstance.local_temp(str(lake.folder("dagster")))


def _summary(task: Task, stations: list[dict[str, Any]]) -> dict[str, Any]:
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
    table = Table("station", "status", "seconds", "peak MiB", title=f"{task.name}: stations", title_justify="left")
    for station in made["stations"]:
        table.add_row(station["name"], station["status"], f"{station['seconds']:.1f}", f"{station['peak_rss_mb']:.0f}")
    _ERR.print(table)
    if made["scorecard"]:
        metrics = list(next(iter(made["summary"].values())))
        scored = Table(
            "selector", *metrics, title=f"scorecard: mean ± 95 % over {task.seeds} seeds", title_justify="left"
        )
        for selector, values in made["summary"].items():
            scored.add_row("no warm-up" if selector == "none" else selector, *(values[m] for m in metrics))
        _ERR.print(scored)
        for sentence in made["verdict"]:
            _ERR.print(sentence, markup=False, highlight=False)
    places = {"selection": made["selected"], **made["models"], "report": made["report"]}
    for name, place in places.items():
        if place:
            click.echo(f"{name}: {place}", err=True)


def _refuse(message: str, as_json: bool) -> None:
    click.echo(f"refused: {message}", err=True)
    if as_json:
        click.echo(json.dumps({"error": message}))
    sys.exit(REFUSED)


def _fail(errors: list[tuple[str, str, bool]], as_json: bool) -> None:
    for station, message, _ in errors:
        click.echo(f"{station} failed: {message}", err=True)
    if as_json:
        click.echo(json.dumps({"error": "; ".join(f"{s}: {m}" for s, m, _ in errors)}))
    sys.exit(REFUSED if all(refused for _, _, refused in errors) else FAILED)


if __name__ == "__main__":
    main()
