"""`leakage`: the rows of the pool that overlap the target's validation or test rows."""

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import candidates, pool, target
from getmore_assets.corpus import leakage as overlap
from getmore_assets.corpus.id_index import IdIndex
from getmore_assets.errors import BadInput
from getmore_assets.facts import LeakageFacts
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import TableRef
from getmore_assets.parallel import mapped
from getmore_assets.pieces import batches
from getmore_assets.stages.checks import CheckContext, CheckResult, check
from getmore_assets.stages.columns import ID, TARGET, TEXTS, Column
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext, StageResult

TABLE = "leakage"
_BATCH = 8192
_MOST_SHOWN = 20
_MOST_CHECKED = 20_000  # rows; `selected_subset` checks all of its rows


def _find(context: StageContext) -> StageResult:
    leaks, looked_at = pl.DataFrame(schema=overlap.SCHEMA), 0
    if context.task.leakage != "allow":
        before, rows = _before(context), _rows(context.table("raw_corpus"), context.task)
        if before is not None:
            still_there = pool.with_ids(rows.select("id"), before["id"]).collect()
            leaks = before.join(still_there, on="id", how="semi", maintain_order="left")
            known = _rows(context.last.input_table("raw_corpus"), context.task) if context.last else rows.clear()
            rows = rows.join(known.select("id"), on="id", how="anti")
        guard = target.guard_of(_evaluated(context.table("target_data"), context.task))
        read = ((batch.height, (batch,)) for batch in batches(rows, _BATCH))
        for count, found in mapped(guard.leaks, read, context.task.launch.texts):
            looked_at += count
            leaks = pl.concat([leaks, found])
    if leaks.height and context.task.leakage == "error":
        first = leaks.row(0, named=True)
        what = f"{leaks.height} rows overlap what the target is evaluated on, first {first['id']} ({first['kind']})"
        raise BadInput("candidates", what, "Remove these rows from the pool, or set `leakage: drop`")
    table = context.lake.replace(TABLE, leaks, {"target": context.task.name}, context.commit)
    counts = {kind: leaks.filter(pl.col("kind") == kind).height for kind in ("exact", "near", "contained", "piece")}
    facts = LeakageFacts(looked_at=looked_at, **counts, first=leaks.head(_MOST_SHOWN).to_dicts())
    return StageResult(leaks.height, facts.given(), table)


def _before(context: StageContext) -> pl.DataFrame | None:
    """Return the last leaks, if the evaluated rows have not changed since; else None."""
    last = context.last
    if (
        last is None
        or not context.same_recipe
        or last.inputs["target_data"] != target.TargetFacts.of(context.inputs["target_data"]).evaluated_version
    ):
        return None
    return candidates.leaks_of(last.table_ref(), context.task)


def _rows(raw_corpus: TableRef, task: Task) -> pl.LazyFrame:
    """Return the pool with its near-duplicates, because their originals may have left the sources."""
    return pool.scan_pool(raw_corpus, pool.pool_key(task)).select("id", "text")


def _evaluated(target_data: TableRef, task: Task) -> pl.DataFrame:
    return target_data.of_target(task.name).select("split", "id", "text").collect()


@check(reads=("target_data", "raw_corpus"), blocking=True)
def nothing_leaks(context: CheckContext) -> CheckResult:
    """No eligible candidate, of a sample of 20,000, overlaps validation or test (unless `leakage: allow`)."""
    task, record = context.task, context.record
    raw_corpus, target_data = (context.record_of(name).table_ref() for name in ("raw_corpus", "target_data"))
    found = candidates.find(task, raw_corpus, target_data, record.table_ref())
    guard = target.guard_of(_evaluated(target_data, task))
    # Ids are hashes, so the smallest are a random sample.
    sample = found.eligible_rows.select(pl.col("id").bottom_k(_MOST_CHECKED)).collect()["id"].sort()
    rows, index = _rows(raw_corpus, task).filter(pl.col("id") <= sample.max()), IdIndex.of(sample)
    read, leaks = 0, pl.DataFrame(schema=overlap.SCHEMA)
    for batch in batches(rows, _BATCH):
        sampled = batch.filter(pl.Series(index.find(batch["id"]) >= 0))
        read += sampled.height
        leaks = pl.concat([leaks, guard.leaks(sampled)])
    metadata: JsonObject = {
        "read": read,
        "candidates": found.count,
        "leaking": leaks.height,
        "first": leaks.head(_MOST_SHOWN).to_dicts(),
    }
    if task.leakage == "allow":
        metadata["note"] = "leakage is allowed"
    return CheckResult(passed=read > 0 and (not leaks.height or task.leakage == "allow"), metadata=metadata)


STAGE = Stage(
    name="leakage",
    description="The rows of the pool that overlap validation or test: identical, nearly identical, or one "
    "inside the other. These rows are excluded (`leakage: drop`), or stop the pipeline (`error`). Later runs compare "
    "only new rows.",
    group="inputs",
    kinds=frozenset({"deltalake", "polars"}),
    code_version="4",
    settings=lambda task: task.leakage,
    compute=_find,
    reads=("raw_corpus", "target_data"),
    versions={"target_data": "evaluated_version"},
    columns={
        "target": TARGET,
        "id": ID.of("raw_corpus.id"),
        "kind": Column(pl.String, "exact, near, contained or piece", TEXTS),
        "split": Column(pl.String, "the split of the row in `of`: validation or test", ("target_data.split",)),
        "of": Column(pl.String, "the id of the evaluated row that the row overlaps most", ("target_data.id",)),
        "overlap": Column(pl.Float64, "the overlap, 0 to 1", TEXTS),
    },
    checks=(nothing_leaks,),
)
