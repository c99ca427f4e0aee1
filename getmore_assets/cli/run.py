"""`getmore run` and `getmore select`: the pipeline, or the pipeline as far as the selected rows.

Belongs here: what is printed at their end. Does not: running a job (`execution.py`).
"""

import json
from typing import Any

import click

from getmore_assets.cli.execution import execute, has_own_instance, log_to_terminal, verb
from getmore_assets.cli.exits import end_on_failure, refusals
from getmore_assets.cli.live import QUIET, STATUS, VERBOSE, shown, verbosity
from getmore_assets.cli.terminal import ERR, harmless, print_table
from getmore_assets.config import Task
from getmore_assets.json_models import JsonObject
from getmore_assets.task_files import load_task

_LAST = {"run": "scorecard", "select": "selected_subset"}  # the stage that a job is for
_BAR = 20  # characters of a bar that is the whole run
_NUMBERS = (False, False, True, False, True)


@click.command()
@verb
def run(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run the whole pipeline, from the sources to the scorecard.

    KEY=VALUE changes a field of the task file, for example selection.budget.rows=500.
    """
    run_job("run", task, overrides, as_json)


@click.command()
@verb
def select(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run the pipeline as far as the selected rows.

    KEY=VALUE changes a field of the task file, for example selection.budget.rows=500.
    """
    run_job("select", task, overrides, as_json)


def carry(job: str, task: Task, path: str, overrides: tuple[str, ...], as_json: bool) -> list[JsonObject]:
    """Run the job `run` or `select` on a task, once its input has been looked at; ends the command where it fails.

    Dagster is asked where there is something to do, or where the instance is not the lake's own.

    Returns:
        Of each stage: name, seconds, peak_rss_mb, status.
    """
    with refusals(as_json), shown():
        from getmore_assets import preflight, tracking_place

        if job == "run":
            tracking_place.require_reachable()
        preflight.check(task)
        if has_own_instance(task):
            from getmore_assets.stages.caching import CACHED
            from getmore_assets.stages.unchanged import unchanged

            if there := unchanged(task, _LAST[job]):
                return [
                    {"name": name, "seconds": one.seconds, "peak_rss_mb": one.peak_rss_mb, "status": CACHED}
                    for name, one in there.items()
                ]
        by_model = job == "select" and task.selection.asks_a_model
        events = execute("select_by_model" if by_model else job, path, overrides, task)
    end_on_failure(events, as_json)
    return [_stage(event) for event in events if event.is_step_materialization]


def run_job(job: str, path: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run the job `run` or `select` on a task file, and say what was made."""
    with refusals(as_json):
        task = load_task(path, overrides)
        log_to_terminal()
    made = _summary(task, carry(job, task, path, overrides, as_json))
    if verbosity() != QUIET:
        _print(task, made)
    if as_json:
        click.echo(json.dumps(made))


def _stage(event: Any) -> JsonObject:
    metadata = event.step_materialization_data.materialization.metadata
    return {"name": event.asset_key.path[-1], **{k: metadata[k].value for k in ("seconds", "peak_rss_mb", "status")}}


def _summary(task: Task, stages: list[JsonObject]) -> JsonObject:
    from getmore_assets.lake import Lake
    from getmore_assets.records import STAGE_NAMES, Records
    from getmore_assets.reporting.dropped import dropped
    from getmore_assets.training_facts import ScorecardFacts

    records = Records(Lake(task.lake), task.name)
    made = {s["name"]: record for s in stages if (record := records.get(s["name"]))}
    found: JsonObject = {
        "task": task.name,
        "selected": made["selected_subset"].folders["parquet"],
        "models": {name: r.folders["model"] for name, r in made.items() if "model" in r.folders},
        "report": None,
        "dropped": dropped(made),
        "stages": sorted(stages, key=lambda s: STAGE_NAMES.index(s["name"])),
        "scorecard": [],
    }
    if "scorecard" in made:
        facts = ScorecardFacts.of(made["scorecard"])
        found |= {
            "report": made["scorecard"].folders["report"],
            "verdict": facts.verdict,
            "next": facts.next,
            "summary": facts.summary,
        }
        found["scorecard"] = [{k: v for k, v in row.items() if v is not None} for row in facts.scored]
    return found


def _print(task: Task, made: JsonObject) -> None:
    spent = {one["name"]: one["seconds"] for one in made["stages"] if one["status"] == "materialized"}
    together = sum(spent.values())
    cached = len(made["stages"]) - len(spent)
    title = (
        f"{task.name}: {len(spent)} stages in {together:,.0f} s, {cached} cached" if spent else f"{task.name}: cached"
    )
    rows = []
    for one in made["stages"]:
        new = one["name"] in spent
        share = "█" * round(_BAR * spent.get(one["name"], 0) / together) if together else ""
        figures = (f"{one['seconds']:,.1f}", share, f"{one['peak_rss_mb']:,.0f}") if new else ("", "", "")
        rows.append((one["name"], STATUS[one["status"]], *figures))
    print_table(ERR, ("stage", "status", "seconds", "", "peak MiB"), rows, title, numbers=_NUMBERS)
    for sentence in made["dropped"]:
        ERR.print(harmless(sentence), markup=False, soft_wrap=True)
    if made["scorecard"]:
        _print_scorecard(task, made)
    places = {"selection": made["selected"], **made["models"], "report": made["report"]}
    for name, place in places.items():
        if place:
            click.echo(f"{name}: {place}", err=True)


def _print_scorecard(task: Task, made: JsonObject) -> None:
    from getmore_assets.reporting import statistics, tables

    every = _apart(made["summary"])
    metrics = every if verbosity() == VERBOSE else [m for m in every if m in (every[0], "macro_f1", tables.FORGETTING)]
    scored = [
        (statistics.shown(selector), *(values[m] for m in metrics)) for selector, values in made["summary"].items()
    ]
    meanings = [f"{metric}: {tables.MEANING[metric]}" for metric in metrics]
    if len(metrics) < len(every):
        meanings.append(f"{len(every) - len(metrics)} more metrics: --verbose, and the report")
    title = f"scorecard: mean ± 95 % interval over {task.seeds} seeds"
    print_table(ERR, ("selector", *metrics), scored, title, "\n".join(meanings))
    for sentence in made["verdict"]:
        ERR.print(sentence, markup=False, soft_wrap=True)
    for step in made["next"]:
        ERR.print(f"next: {step}", markup=False, soft_wrap=True)


def _apart(summary: dict[str, dict[str, str]]) -> list[str]:
    """The metrics of a summary; of those that are the same everywhere, as accuracy and micro-F1 may be, the first."""
    columns: dict[tuple[str, ...], str] = {}
    for metric in next(iter(summary.values())):
        columns.setdefault(tuple(values[metric] for values in summary.values()), metric)
    return list(columns.values())
