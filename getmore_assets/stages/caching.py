"""Caching: whether an earlier record of a stage is used instead of computing the stage.

Belongs here: this decision, and whether the tables in a record's lineage can still be read. Does not: the cache key
(`stage.py`), or computing a stage (`materializing.py`).
"""

import logging
from dataclasses import replace

from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records, tables_of
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext

log = logging.getLogger(__name__)

CACHED, KEPT = "cached", "kept"


def reusable(context: StageContext, stage: Stage, records: Records, used: dict[str, str]) -> tuple[Record | None, str]:
    """Return the record to use instead of computing a stage, and its status; None if the stage must be computed.

    Args:
        context: The context, with cache key and last record.
        stage: The stage.
        records: The records of the task.
        used: The version of each input.
    """
    cached, _ = with_key(stage, records, context.fingerprint)
    if cached is not None:
        return _readable(context, cached), CACHED
    why = stage.keep(context, context.last) if context.last is not None and context.same_recipe else None
    if context.last is None or why is None:
        return None, ""
    log.info("%s: kept, %s", stage.name, why)
    return _readable(context, replace(context.last, fingerprint=context.fingerprint, inputs=used, kept=why)), KEPT


def with_key(stage: Stage, records: Records, key: str) -> tuple[Record | None, str]:
    """Return the stage's record that has this cache key, or None, and a message that says which record it is."""
    last = records.get(stage.name)
    if last is not None and last.fingerprint == key and last.kept is None:
        return last, "its record has the same cache key"
    return records.cached(stage.name, key), "an earlier record has the same cache key"


def missing_inputs(lake: Lake, record: Record) -> list[str]:
    """Return the upstream stages whose table can no longer be read at the version in the lineage."""
    return [stage for stage, table in tables_of(record.lineage).items() if not lake.holds(table)]


def _readable(context: StageContext, record: Record) -> Record:
    """Return the record; in its lineage, deleted table versions are replaced by current versions of the same data."""
    current, tables = context.lineage(), tables_of(record.lineage)
    moved = [stage for stage, table in tables_of(current).items() if tables.get(stage, table) != table]
    deleted = [f"table.{stage}" for stage in moved if not context.lake.holds(tables[stage])]
    return replace(record, lineage={**record.lineage, **{name: current[name] for name in deleted}})
