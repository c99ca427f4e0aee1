"""What a run of a task would take: which stages are cached, exact counts of rows, and what the others took last.

Belongs here: counting, and what earlier runs of this lake tell. Does not: printing (`cli/plan.py`). The lake is read
and nothing is written to it.
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

#: Stages whose work grows with the pool: what they took is scaled by the rows that the pool's sources have by now.
_BY_POOL = ("raw_corpus", "leakage", "domain_triage", "embeddings", "ot_potentials", "selected_subset")


@dataclass(frozen=True)
class Planned:
    """One stage of a plan.

    Attributes:
        stage: Its name.
        cached: Whether its record would be used again.
        why: The reason, either way.
        rows: Of the record, where it is cached; that it would read, where sources are counted; else None.
        seconds: 0 where it is cached; else what it took last, scaled; None where no run in this lake tells.
        peak_rss_mb: Likewise.
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
    """What a run would take.

    Attributes:
        task: Its name.
        stages: In order.
        seconds: Of all stages; None where one is not known.
        sources: The counts of each source, as `Reading.counts`.
        notes: What else is to be known.
        planned_in_seconds: How long planning took.
    """

    task: str
    stages: list[Planned]
    seconds: float | None
    sources: list[SourceCounts]
    notes: list[str]
    planned_in_seconds: float

    def as_json(self) -> JsonObject:
        """Return the plan as JSON's objects."""
        return {**asdict(self), "sources": [one.model_dump() for one in self.sources]}


def plan(task: Task) -> Plan:
    """Plan the whole pipeline of a task; all rows of its sources are read and counted where something is to be made.

    Raises:
        BadInput: The sources are refused, as a run would refuse them.
    """
    began, without, statuses = time.monotonic(), absent(task), stage_statuses(task)
    if all(one.record for one in statuses.values()):
        sources = counts_in({name: one.record for name, one in statuses.items() if one.record})
        rows = None
    else:
        of_target, facts = target.read_target(task, held_out_by(Records(Lake(task.lake), task.name).get("target_data")))
        told = list(_read_pool(task))
        sources, rows = [*told, *facts.sources], sum(one.rows for one in told)
        statuses = stage_statuses(task, (target.data_version(of_target), facts.evaluated_version))
    stages = [_planned(task, name, one, rows, sources) for name, one in statuses.items()]
    known = [one.seconds for one in stages]
    seconds = None if None in known else sum(one for one in known if one is not None)
    notes = [
        f"{field} {name} is not here: nothing is downloaded to plan; where there is a network: hf download {name}"
        for field, name in without.items()
    ]
    if why := _refitted(task, statuses):
        notes.append(f"the lexical encoder is fitted again, and every row encoded: {why}")
    if None in known:
        notes.append("what no run in this lake has computed yet is not forecast: its first run measures it")
    if any(not one.cached and one.seconds is not None for one in stages):
        notes.append("seconds are those of the last run, on other rows or settings where `how` says so")
    return Plan(task.name, stages, seconds, sources, notes, time.monotonic() - began)


def _read_pool(task: Task) -> Iterator[SourceCounts]:
    """Read the sources of the pool; yield the counts of each. Duplicates are counted when the pool is made."""
    for number, source in enumerate(task.candidates):
        reading = pool.reading_of(source, task)
        for batch in readers.read(source, reading=reading):
            _count_long(reading, batch["text"], task.corpus.passage_chars)
        yield reading.counts(f"candidates.{number}").model_copy(update={"folded": None})


def _count_long(reading: Reading, texts: pl.Series, longest: int) -> None:
    """Count the texts that are longer than a passage once they are clean: they are cut, or kept whole."""
    long = sum(len(clean(text)) > longest for text in texts.filter(texts.str.len_chars() > longest))
    if reading.cuts:
        reading.cut += long
    else:
        reading.longer += long


def _planned(
    task: Task, name: str, statuses: StageStatus, pool_rows: int | None, sources: list[SourceCounts]
) -> Planned:
    if statuses.record is not None:
        record = statuses.record
        return Planned(name, True, statuses.why, record.rows, 0.0, 0.0, f"materialized {record.made_at}")
    rows = pool_rows if name == "raw_corpus" else None
    if name == "target_data":
        rows = sum(one.rows for one in sources if one.field.startswith("target"))
    last, of = _measured(task, name)
    if last is None:
        return Planned(name, False, statuses.why, rows, None, None, "no run in this lake has computed it yet")
    before = _pool_rows(last, Lake(task.lake))
    grown = pool_rows / before if name in _BY_POOL and pool_rows and before else 1.0
    how = f"took {last.seconds:,.1f} s {of}at {last.made_at}"
    if grown != 1:
        how += f", with {before:,} rows of the pool's sources instead of {pool_rows:,}"
    now = task.model_dump(mode="json", exclude_unset=True)
    if {**last.settings, "lake": None} != {**now, "lake": None}:  # a lake that was moved is no other setting
        how += ", with other settings"
    return Planned(name, False, statuses.why, rows, last.seconds * grown, last.peak_rss_mb, how)


def _measured(task: Task, name: str) -> tuple[Record | None, str]:
    """Return the last record of a stage that was computed: of the task, or of another one in the lake."""
    lake = Lake(task.lake)
    if not (lake.root / "records").is_dir():
        return None, ""
    own = [one for one in Records(lake, task.name).makings(name) if one.kept is None]
    if own:
        return max(own, key=lambda one: one.made_at), ""
    others = [one for other in tasks_in(lake) for one in Records(lake, other).makings(name) if one.kept is None]
    last = max(others, key=lambda one: one.made_at, default=None)
    return last, f"for task {last.task} " if last else ""


def _pool_rows(record: Record, lake: Lake) -> int | None:
    """Return how many rows the pool's sources had when a record was made; None where no record tells."""
    wanted = record.data_version if record.stage == "raw_corpus" else record.inputs.get("raw_corpus")
    made = next((one for one in Records(lake, record.task).makings("raw_corpus") if one.data_version == wanted), None)
    sources = pool.PoolFacts.of(made).sources if made else []
    if any(one.unchanged_files for one in sources):  # files that were not read again are not counted
        return None
    return sum(one.rows for one in sources) or None


def _refitted(task: Task, statuses: dict[str, StageStatus]) -> str:
    """Return why the lexical encoder will be fitted again to the pool in the lake; empty where it will not."""
    lake = Lake(task.lake)
    table, record = lake.latest(pool.TABLE), statuses["raw_corpus"].record
    if task.encoder.model != LEXICAL or table is None or record is None:
        return ""
    fit = store.fitted_file(lake, encoder_fingerprint(task))
    if not fit.is_file():
        return ""
    share, bound = refit.share_new(fit, may_be_candidates(task, table)) or 0.0, refit.limit(fit)
    return refit.reason(share, bound) if share > bound else ""
