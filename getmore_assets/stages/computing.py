"""Computing a stage, tracked in MLflow and metered, and recording the result.

Belongs here: from a stage's context to its record. Does not: whether a stage must be computed (`caching.py`).
"""

import json
import logging
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from getmore_assets.config import Task
from getmore_assets.contents import contents_of
from getmore_assets.lake import Lake
from getmore_assets.metering import metered
from getmore_assets.records import FROM_PYTHON, Record, now, tables_of, write_atomically
from getmore_assets.relative_paths import absolute, relative
from getmore_assets.stages.stage_context import StageContext, StageResult
from getmore_assets.tracking import TrackedRun, tracked
from getmore_assets.tracking_place import AS_ENVIRONMENT_SAYS, Tracking, dagster_url, run_url
from getmore_assets.training_facts import Scored

log = logging.getLogger(__name__)

_ORIGIN = "of.json"  # the file in a work folder that names the stage, task and recipe


def compute(
    context: StageContext, function: Callable[[StageContext], StageResult], used: dict[str, str], track: bool
) -> Record:
    """Compute a stage and return its record.

    Args:
        context: The context.
        function: The function of the stage.
        used: The version of each input.
        track: Whether to open an MLflow run.
    """
    lake, stage, task = context.lake, context.stage, context.task
    log.info("%s: computing", stage, extra={"stage": stage})
    try:
        with ExitStack() as stack:
            # Another task may compute the same cache key: the work folder is used by one task at a time.
            stack.enter_context(lake.lock("work", context.fingerprint[:16]))
            if track:
                run, code = context.commit["dagster_run_id"], context.commit["code_version"]
                tags = _tags(lake, stage, task.name, context.fingerprint, code, run)
                context.run = stack.enter_context(tracked(lake, f"{task.name} {stage}", tags, context.tracking))
            context.meter = stack.enter_context(metered())
            write_atomically(context.work / _ORIGIN, json.dumps(_origin(context)))
            record = _record(context, _result(context, function), used)
            if context.run is not None:
                _log(context.run, task, record)
            _clear_work(context)
    except Exception as error:
        log.error("%s failed: %s", stage, error)
        raise
    seconds, peak = context.meter.seconds, context.meter.peak_rss_mb
    record = replace(record, seconds=seconds, peak_rss_mb=peak, made_at=now())
    return _tracked_in(record, context.run, context.tracking, lake)


def track_again(lake: Lake, record: Record) -> Record:
    """Track a record in a new MLflow run after its run was lost, and register its model again.

    Returns:
        The record with the new run.
    """
    task = Task.model_validate(record.settings)
    run_id, code = record.dagster_run_id, record.code_version
    tags = _tags(lake, record.stage, record.task, record.fingerprint, code, run_id)
    with tracked(lake, f"{record.task} {record.stage}", tags) as run:
        _log(run, task, record)
    return _tracked_in(record, run, AS_ENVIRONMENT_SAYS, lake)


def _tracked_in(record: Record, run: TrackedRun | None, tracking: Tracking, lake: Lake) -> Record:
    if run is None:
        return record
    url = run_url(run.experiment_id, run.id, run.server)
    return replace(record, mlflow_run_id=run.id, mlflow_url=url, tracked_at=tracking.recorded(lake))


def _tags(lake: Lake, stage: str, task: str, fingerprint: str, code_version: str, run: str) -> dict[str, str]:
    """Return the tags of an MLflow run."""
    # MLflow does not turn tags into links, so the Markdown note at the top of the run has the link.
    link = f"in [Dagster run {run[:8]}]({dagster_url(run)})"
    origin = "by a call from Python" if run.startswith(FROM_PYTHON) else link
    note = f"`{stage}` of target `{task}`, materialized {origin}"
    return {
        "getmore.station": stage,
        "getmore.task": task,
        "getmore.lake": lake.address,
        "getmore.fingerprint": fingerprint,
        "getmore.code_version": code_version,
        "dagster.run_id": run,
        "dagster.run_url": dagster_url(run),
        "mlflow.note.content": note,
    }


def _record(context: StageContext, result: StageResult, used: dict[str, str]) -> Record:
    return Record(
        stage=context.stage,
        task=context.task.name,
        fingerprint=context.fingerprint,
        data_version=result.data_version or context.fingerprint,
        code_version=context.commit["code_version"],
        inputs=used,
        lineage=context.lineage(),
        table=result.table,
        folders=result.folders,
        rows=result.rows,
        facts=result.facts,
        seconds=0.0,
        peak_rss_mb=0.0,
        dagster_run_id=context.commit["dagster_run_id"],
        mlflow_run_id=None,
        mlflow_url=None,
        made_at=now(),
        figures=context.figures(),
        settings=context.task.model_dump(mode="json", exclude_unset=True),
        kept=result.kept,
        contents={name: contents_of(Path(folder)) for name, folder in result.folders.items()},
    )


def _origin(context: StageContext) -> dict[str, str]:
    return {"stage": context.stage, "task": context.task.name, "recipe": context.recipe}


def _clear_work(context: StageContext) -> None:
    """Delete the work folder, and the work folders of killed runs with the same recipe and other inputs."""
    shutil.rmtree(context.work, ignore_errors=True)
    for note in context.lake.folder("work").glob(f"*/{_ORIGIN}"):
        name = note.parent.name
        if not context.lake.is_locked("work", name) and json.loads(note.read_text("utf-8")) == _origin(context):
            shutil.rmtree(note.parent, ignore_errors=True)


def _result(context: StageContext, function: Callable[[StageContext], StageResult]) -> StageResult:
    """Return the result of a stage's function, or the saved result of an earlier call that was killed."""
    saved = context.work / "made.json"
    if saved.is_file():
        result = StageResult.of(absolute(json.loads(saved.read_text("utf-8")), context.lake))
        if result.is_there(context.lake):
            context.figure_names += result.figures
            return result
    result = function(context)
    result.figures = context.figure_names
    write_atomically(saved, json.dumps(relative(asdict(result), context.lake)))
    return result


def _log(run: TrackedRun, task: Task, record: Record) -> None:
    run.log_params(task.model_dump(exclude={"candidates", "target", "general"}))
    run.set_tags(record.lineage)
    for stage, table in tables_of(record.lineage).items():
        run.log_table(stage, table)
    scored, metrics = record.facts.get("scored", []), record.facts.get("metrics", {})
    run.log_metrics({**record.facts, **({} if scored else metrics), "rows": record.rows})
    run.log_curve(record.facts.get("curve", []))
    if "model" in record.folders:
        version = run.register(f"{record.task}.{record.stage}", Path(record.folders["model"]))
        run.set_tags({"model_folder": record.folders["model"], "registered_version": version})
    for figure in record.figures.values():
        if Path(figure).is_file():
            run.log_file(Path(figure))
    for name in reversed(dict.fromkeys(row["selector"] for row in scored)):  # MLflow lists the newest run first
        means = {key.removeprefix(f"{name}/"): mean for key, mean in metrics.items() if key.startswith(f"{name}/")}
        rows = [row for row in scored if row["selector"] == name]
        _log_selector(run, {"target": record.task, "selector": name}, means, rows)


def _log_selector(run: TrackedRun, params: dict[str, str], means: dict[str, float], rows: list[Scored]) -> None:
    """Log a run for a selector, and under it a run for each seed, because MLflow's charts compare runs."""
    name = params["selector"]
    note = f"`{name}` on the scorecard of target `{params['target']}`, at equal tokens with its siblings: "
    mean = run.child(name, f"{note}means over {len(rows)} seeds", {**params, "seeds": len(rows)}, means)
    for row in rows:
        seed = row["seed"]
        metrics = {key: value for key, value in row.items() if key not in ("seed", "target")}
        mean.child(f"{name} seed {seed}", f"{note}seed {seed}", {**params, "seed": seed}, metrics)
