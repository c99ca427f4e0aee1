"""`raw_corpus`: the candidate pool."""

import dagster as dg

from getmore_assets.corpus import pool
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
