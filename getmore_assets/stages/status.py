"""Which stages a run would make, and which it would find made.

Belongs here: comparing each stage's cache key with the records, without making it. Does not: what making it takes
(`run_plan.py`).
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
    """What a run would do with a stage: `record` is what would be reused, None where it would be made, and why."""

    record: Record | None
    why: str


def absent(task: Task) -> dict[str, str]:
    """The models of a task that are neither here nor in the hub's cache, by field; nothing is downloaded."""
    asked = {"encoder.model": task.encoder.model, "base_model.model": task.base_model.model}
    if task.toxicity:
        asked["toxicity.classifier"] = task.toxicity.classifier
    return {field: name for field, name in asked.items() if name not in (LEXICAL, BROUGHT) and not is_here(name)}


def stage_statuses(task: Task, target: tuple[str, str] | None = None) -> dict[str, StageStatus]:
    """Every stage in the order of the pipeline.

    Args:
        task: Whose.
        target: The data version that target_data would have, and that of what is evaluated on, where they are known.
    """
    lake, found = Lake(task.lake), dict[str, StageStatus]()
    if not lake.root.is_dir():  # nothing is left there either
        return {name: StageStatus(None, "no results yet") for name in STAGES}
    lake.refresh()
    records, without = Records(lake, task.name), absent(task)
    for name, stage in STAGES.items():
        found[name] = _status(stage, task, records, found, target, without)
    return found


def _status(
    stage: Stage,
    task: Task,
    records: Records,
    found: dict[str, StageStatus],
    target: tuple[str, str] | None,
    without: dict[str, str],
) -> StageStatus:
    used = {name: _version(stage, name, task, found[name], target) for name in stage.inputs(task)}
    unknown = [name for name, version in used.items() if version is None]
    if unknown:
        return StageStatus(None, f"{unknown[0]} is recomputed")
    if without and stage.asks_models:
        return StageStatus(None, f"{next(iter(without))} is not here, so it cannot have been made of it")
    cached, why = caching.with_key(
        stage, records, stage.cache_key(task, {name: str(version) for name, version in used.items()})
    )
    if cached is not None:
        return StageStatus(cached, why)
    last = records.get(stage.name)
    if last is None:
        return StageStatus(None, "not made yet" if not records.known(stage.name) else "what its record names is gone")
    same = last.fingerprint == stage.cache_key(task, last.inputs)
    return StageStatus(None, "what it reads has changed" if same else "its settings have changed")


def _version(stage: Stage, name: str, task: Task, statuses: StageStatus, target: tuple[str, str] | None) -> str | None:
    """The version of an input that would be read; None where only making it tells."""
    fact = stage.versions.get(name)
    if statuses.record is not None:
        return stage.version(statuses.record)
    if (name, fact) == ("raw_corpus", "pool"):
        return pool.pool_key(task)
    if name == "target_data" and target is not None:
        return target[1] if fact == "evaluated_version" else target[0]
    return None
