"""`getmore run` and `getmore select`: the whole pipeline, or the pipeline as far as the selected rows.

Belongs here: these commands, and the summary at the end. Does not: running a job (`execution.py`).
"""

import json
from typing import Any

import click

from getmore_assets.cli.execution import execute, has_own_instance, log_to_terminal, task_command
from getmore_assets.cli.exits import end_on_failure, refusals
from getmore_assets.cli.live import QUIET, STATUS, VERBOSE, shown, verbosity
from getmore_assets.cli.terminal import ERR, harmless, print_table
from getmore_assets.config import Task
from getmore_assets.json_models import JsonObject
from getmore_assets.task_parsing import load_task

_LAST = {"run": "scorecard", "select": "selected_subset"}  # the last stage of a job
_BAR = 20  # characters of a bar for the whole run
_NUMBERS = (False, False, True, False, True)


@click.command()
@task_command
def run(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run the whole pipeline, from the sources to the scorecard.

    KEY=VALUE changes a field of the task file, for example selection.budget.rows=500.
    """
    run_job("run", task, overrides, as_json)


@click.command()
@task_command
def select(task: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run the pipeline as far as the selected rows.

    KEY=VALUE changes a field of the task file, for example selection.budget.rows=500.
    """
    run_job("select", task, overrides, as_json)


def run_pipeline(job: str, task: Task, path: str, overrides: tuple[str, ...], as_json: bool) -> list[JsonObject]:
    """Check the input and run the job `run` or `select` on a task; exit if it fails.

    If a run has nothing to do and the instance is in the lake, Dagster is not loaded.

    Returns:
        Name, seconds, peak_rss_mb and status of each stage.
    """
    with refusals(as_json), shown():
        from getmore_assets import preflight, tracking_place

        if job == "run":
            tracking_place.require_reachable()
        preflight.check(task)
        if has_own_instance(task):
            from getmore_assets.stages.caching import CACHED
            from getmore_assets.stages.unchanged import unchanged

            if records := unchanged(task, _LAST[job]):
                return [
                    {"name": name, "seconds": record.seconds, "peak_rss_mb": record.peak_rss_mb, "status": CACHED}
                    for name, record in records.items()
                ]
        by_model = job == "select" and task.selection.needs_base_model
        events = execute("select_by_model" if by_model else job, path, overrides, task)
    end_on_failure(events, as_json)
    return [_stage(event) for event in events if event.is_step_materialization]


def run_job(job: str, path: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run the job `run` or `select` on a task file, and print a summary."""
    with refusals(as_json):
        task = load_task(path, overrides)
        log_to_terminal()
    summary = _summary(task, run_pipeline(job, task, path, overrides, as_json))
    if verbosity() != QUIET:
        _print(task, summary)
    if as_json:
        click.echo(json.dumps(summary))


def _stage(event: Any) -> JsonObject:
    metadata = event.step_materialization_data.materialization.metadata
    return {"name": event.asset_key.path[-1], **{k: metadata[k].value for k in ("seconds", "peak_rss_mb", "status")}}


def _summary(task: Task, stages: list[JsonObject]) -> JsonObject:
    from getmore_assets.lake import Lake
    from getmore_assets.records import STAGE_NAMES, Records
    from getmore_assets.reporting.dropped import dropped
    from getmore_assets.training_facts import ScorecardFacts

    last = Records(Lake(task.lake), task.name)
    records = {s["name"]: record for s in stages if (record := last.get(s["name"]))}
    summary: JsonObject = {
        "task": task.name,
        "selected": records["selected_subset"].folders["parquet"],
        "models": {name: r.folders["model"] for name, r in records.items() if "model" in r.folders},
        "report": None,
        "dropped": dropped(records),
        "stages": sorted(stages, key=lambda s: STAGE_NAMES.index(s["name"])),
        "scorecard": [],
    }
    if "scorecard" in records:
        facts = ScorecardFacts.of(records["scorecard"])
        summary |= {
            "report": records["scorecard"].folders["report"],
            "verdict": facts.verdict,
            "next": facts.next,
            "summary": facts.summary,
        }
        summary["scorecard"] = [{k: v for k, v in row.items() if v is not None} for row in facts.scored]
    return summary


def _print(task: Task, summary: JsonObject) -> None:
    stages = summary["stages"]
    seconds = {stage["name"]: stage["seconds"] for stage in stages if stage["status"] == "materialized"}
    total = sum(seconds.values())
    title = f"{task.name}: cached"
    if seconds:
        title = f"{task.name}: {len(seconds)} stages in {total:,.0f} s, {len(stages) - len(seconds)} cached"
    rows = []
    for stage in stages:
        bar = "█" * round(_BAR * seconds.get(stage["name"], 0) / total) if total else ""
        figures = (f"{stage['seconds']:,.1f}", bar, f"{stage['peak_rss_mb']:,.0f}")
        rows.append((stage["name"], STATUS[stage["status"]], *(figures if stage["name"] in seconds else ("", "", ""))))
    print_table(ERR, ("stage", "status", "seconds", "", "peak MiB"), rows, title, numbers=_NUMBERS)
    for sentence in summary["dropped"]:
        ERR.print(harmless(sentence), markup=False, soft_wrap=True)
    if summary["scorecard"]:
        _print_scorecard(task, summary)
    paths = {"selection": summary["selected"], **summary["models"], "report": summary["report"]}
    for name, path in paths.items():
        if path:
            click.echo(f"{name}: {path}", err=True)


def _print_scorecard(task: Task, summary: JsonObject) -> None:
    from getmore_assets.reporting import statistics, tables

    every = _distinct(summary["summary"])
    metrics = every if verbosity() == VERBOSE else [m for m in every if m in (every[0], "macro_f1", tables.FORGETTING)]
    scored = [
        (statistics.shown(selector), *(values[m] for m in metrics)) for selector, values in summary["summary"].items()
    ]
    meanings = [f"{metric}: {tables.MEANING[metric]}" for metric in metrics]
    if len(metrics) < len(every):
        meanings.append(f"{len(every) - len(metrics)} more metrics: --verbose, and the report")
    title = f"scorecard: mean ± 95 % interval over {task.seeds} seeds"
    print_table(ERR, ("selector", *metrics), scored, title, "\n".join(meanings))
    for sentence in summary["verdict"]:
        ERR.print(sentence, markup=False, soft_wrap=True)
    for step in summary["next"]:
        ERR.print(f"next: {step}", markup=False, soft_wrap=True)


def _distinct(summary: dict[str, dict[str, str]]) -> list[str]:
    """Return the metrics of a summary, without repeats; accuracy and micro-F1, for example, may be equal."""
    columns: dict[tuple[str, ...], str] = {}
    for metric in next(iter(summary.values())):
        columns.setdefault(tuple(values[metric] for values in summary.values()), metric)
    return list(columns.values())
