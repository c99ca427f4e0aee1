"""Whether a stage is computed again, or an earlier record of it is used.

Belongs here: the decision, and whether what such a record names can still be read. Does not: the cache key
(`stage.py`), or computing a stage (`materializing.py`).
"""

import logging
from dataclasses import replace

from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records, tables_of
from getmore_assets.stages.job import Job, lineage
from getmore_assets.stages.stage import Stage

log = logging.getLogger(__name__)

CACHED, KEPT = "cached", "kept"


def reusable(job: Job, stage: Stage, records: Records, used: dict[str, str]) -> tuple[Record | None, str]:
    """Return the record to use in place of computing a stage, and its status; None where the stage is to be computed.

    Args:
        job: With the cache key, and the last record of the stage.
        stage: Which.
        records: Of the task.
        used: The version of each input.
    """
    cached, _ = with_key(stage, records, job.fingerprint)
    if cached is not None:
        return _readable(job, cached), CACHED
    why = stage.keep(job, job.last) if job.last is not None and job.same_recipe else None
    if job.last is None or why is None:
        return None, ""
    log.info("%s: kept, %s", stage.name, why)
    return _readable(job, replace(job.last, fingerprint=job.fingerprint, inputs=used, kept=why)), KEPT


def with_key(stage: Stage, records: Records, key: str) -> tuple[Record | None, str]:
    """Return the record of a stage with a cache key and how it was found; None where there is none."""
    last = records.get(stage.name)
    if last is not None and last.fingerprint == key and last.kept is None:
        return last, "its record has the same cache key"
    return records.made_before(stage.name, key), "an earlier record has the same cache key"


def missing_inputs(lake: Lake, record: Record) -> list[str]:
    """Return the stages upstream whose table can be read no more at the version in the lineage."""
    return [stage for stage, table in tables_of(record.lineage).items() if not lake.holds(table)]


def _readable(job: Job, record: Record) -> Record:
    """Return a reused record; where a version in its lineage was deleted, with the present version of the same data."""
    today, tables = lineage(job), tables_of(record.lineage)
    moved = [stage for stage, table in tables_of(today).items() if tables.get(stage, table) != table]
    gone = {name: today[name] for name in (f"table.{stage}" for stage in moved if not job.lake.holds(tables[stage]))}
    return replace(record, lineage={**record.lineage, **gone}) if gone else record
