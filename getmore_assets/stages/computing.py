"""Computing a stage, tracked in MLflow and metered, and recording the result.

Belongs here: from a stage's context to its record. Does not: whether a stage must be computed (`caching.py`), or
what its MLflow run contains (`mlflow_run.py`).
"""

import json
import logging
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from getmore_assets.contents import contents_of
from getmore_assets.metering import metered
from getmore_assets.records import Record, now, write_atomically
from getmore_assets.relative_paths import absolute, relative
from getmore_assets.stages.mlflow_run import log_record, tags_of, with_run
from getmore_assets.stages.stage_context import StageContext, StageResult
from getmore_assets.tracking import tracked

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
                tags = tags_of(lake, stage, task.name, context.fingerprint, code, run)
                context.run = stack.enter_context(tracked(lake, f"{task.name} {stage}", tags, context.tracking))
            context.meter = stack.enter_context(metered())
            write_atomically(context.work / _ORIGIN, json.dumps(_origin(context)))
            record = _record(context, _result(context, function), used)
            if context.run is not None:
                log_record(context.run, task, record)
            _clear_work(context)
    except Exception as error:
        log.error("%s failed: %s", stage, error)
        raise
    seconds, peak = context.meter.seconds, context.meter.peak_rss_mb
    record = replace(record, seconds=seconds, peak_rss_mb=peak, made_at=now())
    return with_run(record, context.run, context.tracking, lake)


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
