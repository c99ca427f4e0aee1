"""`raw_corpus`: the candidate pool."""

import dagster as dg
import polars as pl

from getmore_assets.corpus import pool
from getmore_assets.defs.checks import partition_check
from getmore_assets.defs.line import Job, Line, Made, targets


@dg.asset(
    partitions_def=targets,
    group_name="corpus",
    kinds={"deltalake", "polars"},
    code_version="1",
    description="The candidate pool: every source cleaned and cut into passages, one row per content id, with near- "
    "duplicates and held-out general text marked. Only new rows are written; tasks with the same "
    "sources share them.",
)
def raw_corpus(context: dg.AssetExecutionContext, line: Line) -> dg.MaterializeResult:
    """The pool as a Delta table."""
    return line.materialise(
        context, inputs=(), settings=lambda t: [pool.pool_key(t), pool.source_version(t)], make=_build, shared=True
    )


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
