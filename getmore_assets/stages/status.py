"""The status of each stage: whether a run would compute it, or use its record.

Belongs here: comparing each stage's cache key with the records. Does not: estimating the cost of a run (`run_plan.py`).
"""

from dataclasses import dataclass

from getmore_assets.config import BROUGHT, LEXICAL, Task
from getmore_assets.corpus import pool
from getmore_assets.lake import Lake
from getmore_assets.models import is_here
from getmore_assets.records import Record, Records
from getmore_assets.stages import caching
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.table import STAGES


@dataclass(frozen=True)
class StageStatus:
    """Whether a run would compute a stage, and why.

    Attributes:
        record: The record that would be used; None if the stage would be computed.
        why: The reason.
    """

    record: Record | None
    why: str


def absent(task: Task) -> dict[str, str]:
    """Return the models of a task that are not on this machine, by field, without downloading any."""
    models = {"encoder.model": task.encoder.model, "base_model.model": task.base_model.model}
    if task.toxicity:
        models["toxicity.classifier"] = task.toxicity.classifier
    return {field: name for field, name in models.items() if name not in (LEXICAL, BROUGHT) and not is_here(name)}


def stage_statuses(task: Task, target: tuple[str, str] | None = None) -> dict[str, StageStatus]:
    """Return the status of every stage, in the order of the pipeline.

    Args:
        task: The task.
        target: The data version and the evaluated version that target_data would have, if they are known.
    """
    lake, statuses = Lake(task.lake), dict[str, StageStatus]()
    if not lake.root.is_dir():
        return {name: StageStatus(None, "no results yet") for name in STAGES}
    lake.refresh()
    records, missing = Records(lake, task.name), absent(task)
    for name, stage in STAGES.items():
        statuses[name] = _status(stage, task, records, statuses, target, missing)
    return statuses


def _status(
    stage: Stage,
    task: Task,
    records: Records,
    before: dict[str, StageStatus],
    target: tuple[str, str] | None,
    missing: dict[str, str],
) -> StageStatus:
    versions = {name: _version(stage, name, task, before[name], target) for name in stage.inputs(task)}
    used = {name: version for name, version in versions.items() if version is not None}
    if unknown := [name for name in versions if name not in used]:
        return StageStatus(None, f"{unknown[0]} is recomputed")
    if missing and stage.hashes_models:
        return StageStatus(None, f"the model of {next(iter(missing))} is not on this machine")
    cached, why = caching.with_key(stage, records, stage.cache_key(task, used))
    if cached is not None:
        return StageStatus(cached, why)
    last = records.get(stage.name)
    if last is None:
        return StageStatus(
            None, "not materialized yet" if not records.was_materialized(stage.name) else "its recorded data are gone"
        )
    same = last.fingerprint == stage.cache_key(task, last.inputs)
    return StageStatus(None, "its inputs have changed" if same else "its settings have changed")


def _version(stage: Stage, name: str, task: Task, status: StageStatus, target: tuple[str, str] | None) -> str | None:
    """Return the version of an input that would be read; None if it is known only after computing the input."""
    fact = stage.versions.get(name)
    if status.record is not None:
        return stage.version(status.record)
    if (name, fact) == ("raw_corpus", "pool"):
        return pool.pool_key(task)
    if name == "target_data" and target is not None:
        return target[1] if fact == "evaluated_version" else target[0]
    return None
