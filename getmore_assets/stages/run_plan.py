"""The plan of a run: which stages are cached, the number of rows, and the time and memory of earlier runs.

Belongs here: counting rows, and reading earlier records. Does not: printing (`cli/plan.py`). Nothing is written to the
lake.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import polars as pl

from getmore_assets.config import LEXICAL, Task
from getmore_assets.corpus import pool, readers, target
from getmore_assets.corpus.passages import clean
from getmore_assets.corpus.reading import Reading, SourceCounts, counts_in
from getmore_assets.encoders import encoder_fingerprint, refit, store
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records, tasks_in
from getmore_assets.stages.status import StageStatus, absent, stage_statuses
from getmore_assets.stages.target_data import held_out_by
from getmore_assets.workers.embed import may_be_candidates

#: Stages whose time grows with the pool; estimates are scaled by the number of rows of the pool's sources.
_SCALED_BY_POOL = ("raw_corpus", "leakage", "domain_triage", "embeddings", "ot_potentials", "selected_subset")


@dataclass(frozen=True)
class PlannedStage:
    """One stage of a plan.

    Attributes:
        stage: The name of the stage.
        cached: Whether its record would be used.
        why: Why the stage is cached, or why it would be computed.
        rows: Rows of a cached stage's record; rows to read for a stage that reads sources; else None.
        seconds: 0 for a cached stage; else the time of its last run, scaled to the pool's rows; None without a run.
        peak_rss_mb: 0 for a cached stage; else the peak memory of its last run in MB, or None.
        how: Where the seconds come from.
    """

    stage: str
    cached: bool
    why: str
    rows: int | None
    seconds: float | None
    peak_rss_mb: float | None
    how: str


@dataclass(frozen=True)
class Plan:
    """The plan of a run.

    Attributes:
        task: The name of the task.
        stages: The stages in order.
        seconds: The sum over the stages; None if the seconds of any stage are None.
        sources: The counts of each source, as `Reading.counts`.
        notes: Sentences for the user.
        planned_in_seconds: How long planning took.
    """

    task: str
    stages: list[PlannedStage]
    seconds: float | None
    sources: list[SourceCounts]
    notes: list[str]
    planned_in_seconds: float

    def as_json(self) -> JsonObject:
        """Return the plan as a JSON object."""
        return {**asdict(self), "sources": [counts.model_dump() for counts in self.sources]}


def plan(task: Task) -> Plan:
    """Plan a run of the whole pipeline; all rows of the sources are read and counted unless every stage is cached.

    Raises:
        BadInput: A run would refuse the sources.
    """
    began, missing, statuses = time.monotonic(), absent(task), stage_statuses(task)
    if all(status.record for status in statuses.values()):
        sources = counts_in({name: status.record for name, status in statuses.items() if status.record})
        pool_rows = None
    else:
        rows, facts = target.read_target(task, held_out_by(Records(Lake(task.lake), task.name).get("target_data")))
        counts = list(_read_pool(task))
        sources, pool_rows = [*counts, *facts.sources], sum(source.rows for source in counts)
        statuses = stage_statuses(task, (target.data_version(rows), facts.evaluated_version))
    stages = [_planned(task, name, status, pool_rows, sources) for name, status in statuses.items()]
    known = [stage.seconds for stage in stages if stage.seconds is not None]
    seconds = sum(known) if len(known) == len(stages) else None
    notes = [
        f"{field} {name} is not on this machine, and planning downloads nothing; get it with: hf download {name}"
        for field, name in missing.items()
    ]
    if why := _refit_reason(task, statuses):
        notes.append(f"the lexical encoder is fitted again, and every row encoded: {why}")
    if seconds is None:
        notes.append("stages that no run in this lake has computed yet have no estimate: their first run measures them")
    if any(not stage.cached and stage.seconds is not None for stage in stages):
        notes.append("seconds are from each stage's last run; `how` says where rows or settings differed")
    return Plan(task.name, stages, seconds, sources, notes, time.monotonic() - began)


def _read_pool(task: Task) -> Iterator[SourceCounts]:
    """Read the sources of the pool and yield the counts of each source; duplicates are not counted."""
    for number, source in enumerate(task.candidates):
        reading = pool.reading_of(source, task)
        for batch in readers.read(source, reading=reading):
            _count_long(reading, batch["text"], task.corpus.passage_chars)
        yield reading.counts(f"candidates.{number}").model_copy(update={"folded": None})


def _count_long(reading: Reading, texts: pl.Series, longest: int) -> None:
    """Count the cleaned texts that are longer than a passage; the reading cuts them, or keeps them whole."""
    long = sum(len(clean(text)) > longest for text in texts.filter(texts.str.len_chars() > longest))
    if reading.cuts:
        reading.cut += long
    else:
        reading.longer += long


def _planned(
    task: Task, name: str, status: StageStatus, pool_rows: int | None, sources: list[SourceCounts]
) -> PlannedStage:
    if status.record is not None:
        record = status.record
        return PlannedStage(name, True, status.why, record.rows, 0.0, 0.0, f"materialized {record.made_at}")
    rows = pool_rows if name == "raw_corpus" else None
    if name == "target_data":
        rows = sum(source.rows for source in sources if source.field.startswith("target"))
    last, note = _last_computed(task, name)
    if last is None:
        return PlannedStage(name, False, status.why, rows, None, None, "no run in this lake has computed it yet")
    before = _pool_rows(last, Lake(task.lake))
    factor = pool_rows / before if name in _SCALED_BY_POOL and pool_rows and before else 1.0
    how = f"took {last.seconds:,.1f} s {note}at {last.made_at}"
    if factor != 1:
        how += f", with {before:,} rows of the pool's sources instead of {pool_rows:,}"
    now = task.model_dump(mode="json", exclude_unset=True)
    if {**last.settings, "lake": None} != {**now, "lake": None}:  # moving a lake changes no setting
        how += ", with other settings"
    return PlannedStage(name, False, status.why, rows, last.seconds * factor, last.peak_rss_mb, how)


def _last_computed(task: Task, name: str) -> tuple[Record | None, str]:
    """Return a stage's last computed record, of this task or else of another, and a note that names the other task."""
    lake = Lake(task.lake)
    if not (lake.root / "records").is_dir():
        return None, ""

    def last(of_task: str) -> Record | None:
        computed = [record for record in Records(lake, of_task).materializations(name) if record.kept is None]
        return max(computed, key=lambda record: record.made_at, default=None)

    if own := last(task.name):
        return own, ""
    others = [record for other in tasks_in(lake) if (record := last(other))]
    latest = max(others, key=lambda record: record.made_at, default=None)
    return latest, f"for task {latest.task} " if latest else ""


def _pool_rows(record: Record, lake: Lake) -> int | None:
    """Return the number of rows of the pool's sources that a record was computed from, or None if it is not known."""
    version = record.data_version if record.stage == "raw_corpus" else record.inputs.get("raw_corpus")
    pools = Records(lake, record.task).materializations("raw_corpus")
    read = next((each for each in pools if each.data_version == version), None)
    sources = pool.PoolFacts.of(read).sources if read else []
    if any(source.unchanged_files for source in sources):  # rows of files that were not read again are not counted
        return None
    return sum(source.rows for source in sources) or None


def _refit_reason(task: Task, statuses: dict[str, StageStatus]) -> str:
    """Return why the lexical encoder will be fitted again to the pool in the lake; empty if it will not."""
    lake = Lake(task.lake)
    table, record = lake.latest(pool.TABLE), statuses["raw_corpus"].record
    if task.encoder.model != LEXICAL or table is None or record is None:
        return ""
    fit = store.fitted_file(lake, encoder_fingerprint(task))
    if not fit.is_file():
        return ""
    share, bound = refit.share_new(fit, may_be_candidates(task, table)) or 0.0, refit.limit(fit)
    return refit.reason(share, bound) if share > bound else ""
