"""`raw_corpus`: the candidate pool."""

from typing import Any

import dagster as dg
import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import pool
from getmore_assets.corpus.identity import content_id
from getmore_assets.defs.checks import partition_check
from getmore_assets.defs.columns import owners, schema_of, tags_of
from getmore_assets.defs.job import Job, Made
from getmore_assets.defs.line import Line, targets
from getmore_assets.defs.shared_checks import has_its_columns, is_current, volume_is_usual

_READ_AGAIN = 2000  # texts


@dg.asset(
    partitions_def=targets,
    metadata=schema_of("raw_corpus"),
    tags=tags_of("raw_corpus"),
    owners=owners(),
    group_name="corpus",
    kinds={"deltalake", "polars"},
    code_version="3",
    description="The candidate pool: every source cleaned and cut into passages, one row per content id, with near- "
    "duplicates and held-out general text marked. Only new rows are written; tasks with the same "
    "sources share them.",
)
def raw_corpus(context: dg.AssetExecutionContext, line: Line) -> dg.MaterializeResult:
    """The pool as a Delta table."""
    return line.materialise(context, inputs=(), settings=_settings, make=_build, shared=True)


def _settings(task: Task) -> Any:
    return [pool.pool_key(task), pool.source_version(task)]


def _build(job: Job) -> Made:
    table, data_version, facts = pool.build(job.task, job.lake, job.commit)
    return Made(facts.rows, {"pool": pool.pool_key(job.task), **facts.__dict__}, table, data_version=data_version)


@partition_check(raw_corpus, blocking=True, description="Every content id stands once in the pool.")
def ids_are_unique(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Counts the ids that stand twice."""
    task, record = line.record(context, "raw_corpus")
    ids = pool.scan_pool(record.table_ref(), pool.pool_key(task)).group_by("id").len()
    repeated = ids.filter(pl.col("len") > 1).sort("id").collect()
    return dg.AssetCheckResult(
        passed=record.rows > 0 and not repeated.height,
        metadata={"rows": record.rows, "repeated": repeated.height, "first": repeated["id"].head(20).to_list()},
    )


@partition_check(
    raw_corpus,
    blocking=True,
    description=f"Texts are those that their ids were made from, in the {_READ_AGAIN:,} rows with the smallest ids.",
)
def texts_are_their_ids(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Makes the ids again; the smallest, because they are a random sample and the same one each time."""
    task, record = line.record(context, "raw_corpus")
    rows = pool.scan_pool(record.table_ref(), pool.pool_key(task))
    last = rows.select("id").bottom_k(_READ_AGAIN, by="id").max().collect().item()
    read = rows.filter(pl.col("id") <= last).select("id", "text").collect()  # a join would hold every text in memory
    wrong = sorted(id_ for id_, text in read.iter_rows() if content_id(text) != id_)
    return dg.AssetCheckResult(
        passed=read.height > 0 and not wrong,
        metadata={"read": read.height, "wrong": len(wrong), "first": wrong[:20]},
    )


raw_corpus_has_its_columns = has_its_columns(raw_corpus)
the_pools_volume_is_usual = volume_is_usual(raw_corpus, "the_pools_volume_is_usual")
the_pool_is_current = is_current(raw_corpus, "the_pool_is_current", _settings)
