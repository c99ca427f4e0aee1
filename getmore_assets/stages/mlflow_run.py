"""The MLflow run of a stage: tags (with the lineage), parameters, metrics and figures.

Belongs here: what a run contains. Does not: MLflow's client (`tracking.py`), or where runs are tracked
(`tracking_place.py`).
"""

from dataclasses import replace
from pathlib import Path

from getmore_assets.config import Task
from getmore_assets.lake import Lake
from getmore_assets.records import FROM_PYTHON, Record, tables_of
from getmore_assets.tracking import TrackedRun, tracked
from getmore_assets.tracking_place import AS_ENVIRONMENT_SAYS, Tracking, dagster_url, run_url
from getmore_assets.training_facts import Scored


def track_again(lake: Lake, record: Record) -> Record:
    """Track a record in a new MLflow run after its run was lost, and register its model again.

    Returns:
        The record with the new run.
    """
    task = Task.model_validate(record.settings)
    run_id, code = record.dagster_run_id, record.code_version
    tags = tags_of(lake, record.stage, record.task, record.fingerprint, code, run_id)
    with tracked(lake, f"{record.task} {record.stage}", tags) as run:
        log_record(run, task, record)
    return with_run(record, run, AS_ENVIRONMENT_SAYS, lake)


def with_run(record: Record, run: TrackedRun | None, tracking: Tracking, lake: Lake) -> Record:
    """Return a record with the id and URL of its MLflow run; without a run, the record as it is."""
    if run is None:
        return record
    url = run_url(run.experiment_id, run.id, run.server)
    return replace(record, mlflow_run_id=run.id, mlflow_url=url, tracked_at=tracking.recorded(lake))


def tags_of(lake: Lake, stage: str, task: str, fingerprint: str, code_version: str, run: str) -> dict[str, str]:
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


def log_record(run: TrackedRun, task: Task, record: Record) -> None:
    """Log a record in an MLflow run: settings, lineage, metrics, curve, figures, model, and a run for each selector."""
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
