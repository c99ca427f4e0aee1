"""`leakage`: the rows of the pool that overlap what the target is evaluated on."""

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import candidates, pool, target
from getmore_assets.corpus import leakage as overlap
from getmore_assets.corpus.id_index import IdIndex
from getmore_assets.errors import BadInput
from getmore_assets.facts import LeakageFacts
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import TableRef, batches
from getmore_assets.stages.checks import Checked, Finding, check
from getmore_assets.stages.columns import ID, TARGET, TEXTS, Column
from getmore_assets.stages.job import Job, StageResult
from getmore_assets.stages.stage import Stage

TABLE = "leakage"
_BATCH = 8192
_SHOWN = 20
_CHECKED = 20_000  # rows that the check looks at; of the selected rows `selected_subset` checks all


def _find(job: Job) -> StageResult:
    leaks = pl.DataFrame(schema=overlap.SCHEMA)
    looked_at = 0
    if job.task.leakage != "allow":
        before, rows = _before(job), _rows(job.table("raw_corpus"), job.task)
        if before is not None:
            leaks = before.join(rows.select("id").collect(), on="id", how="semi", maintain_order="left")
            known = _rows(job.last.input_table("raw_corpus"), job.task) if job.last else rows.clear()
            rows = rows.join(known.select("id"), on="id", how="anti")
        guard = target.guard_of(_evaluated(job.table("target_data"), job.task))
        for batch in batches(rows, _BATCH):
            looked_at += batch.height
            leaks = pl.concat([leaks, guard.leaks(batch)])
    if leaks.height and job.task.leakage == "error":
        first = leaks.row(0, named=True)
        what = f"{leaks.height} rows overlap what the target is evaluated on, first {first['id']} ({first['kind']})"
        raise BadInput("candidates", what, "Take them out of the pool, or set `leakage: drop`")
    table = job.lake.replace(TABLE, leaks, {"target": job.task.name}, job.commit)
    counts = {kind: leaks.filter(pl.col("kind") == kind).height for kind in ("exact", "near", "contained", "piece")}
    facts = LeakageFacts(looked_at=looked_at, **counts, first=leaks.head(_SHOWN).to_dicts())
    return StageResult(leaks.height, facts.given(), table)


def _before(job: Job) -> pl.DataFrame | None:
    """What was found of the pool as it was, where what is evaluated on has not changed since."""
    last = job.last
    if (
        last is None
        or not job.same_recipe
        or last.inputs["target_data"] != target.TargetFacts.of(job.inputs["target_data"]).evaluated_version
    ):
        return None
    return candidates.leaks_of(last.table_ref(), job.task)


def _rows(raw_corpus: TableRef, task: Task) -> pl.LazyFrame:
    """The pool, with its copies: what they copy may have left."""
    return pool.scan_pool(raw_corpus, pool.pool_key(task)).select("id", "text")


def _evaluated(target_data: TableRef, task: Task) -> pl.DataFrame:
    return target_data.of_target(task.name).select("split", "id", "text").collect()


@check(reads=("target_data", "raw_corpus"), blocking=True)
def nothing_leaks(of: Checked) -> Finding:
    """No row that may be chosen overlaps validation or test (`leakage: allow` lets them): a sample of 20,000 rows."""
    task, record = of.task, of.record
    raw_corpus, target_data = (of.of(name).table_ref() for name in ("raw_corpus", "target_data"))
    found = candidates.find(task, raw_corpus, target_data, record.table_ref()).eligible["id"]
    guard = target.guard_of(_evaluated(target_data, task))
    sample = found.head(_CHECKED)  # ids are hashes, so the smallest are a random sample
    rows, index = _rows(raw_corpus, task).filter(pl.col("id") <= sample.max()), IdIndex.of(sample)
    read, leaks = 0, pl.DataFrame(schema=overlap.SCHEMA)
    for batch in batches(rows, _BATCH):
        mine = batch.filter(pl.Series(index.find(batch["id"]) >= 0))
        read += mine.height
        leaks = pl.concat([leaks, guard.leaks(mine)])
    metadata: JsonObject = {
        "read": read,
        "candidates": found.len(),
        "leaking": leaks.height,
        "first": leaks.head(_SHOWN).to_dicts(),
    }
    if task.leakage == "allow":
        metadata["note"] = "leakage is allowed"
    return Finding(passed=read > 0 and (not leaks.height or task.leakage == "allow"), metadata=metadata)


STAGE = Stage(
    name="leakage",
    description="The rows of the pool that overlap validation or test: with the same words, nearly, or one "
    "inside the other. They are excluded (`leakage: drop`), or stop the pipeline (`error`). Rows that the pool "
    "gained are looked at alone.",
    group="inputs",
    kinds=frozenset({"deltalake", "polars"}),
    code_version="4",
    settings=lambda task: task.leakage,
    make=_find,
    reads=("raw_corpus", "target_data"),
    versions={"target_data": "evaluated_version"},
    columns={
        "target": TARGET,
        "id": ID.of("raw_corpus.id"),
        "kind": Column(pl.String, "exact, near, contained or piece", TEXTS),
        "split": Column(pl.String, "validation or test: where what it overlaps stands", ("target_data.split",)),
        "of": Column(pl.String, "the id of the evaluated row that it overlaps most", ("target_data.id",)),
        "overlap": Column(pl.Float64, "how much, 0 to 1", TEXTS),
    },
    checks=(nothing_leaks,),
)
