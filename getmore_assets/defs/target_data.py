"""`target_data`: the examples of what is wanted."""

import dagster as dg
import polars as pl

from getmore_assets.corpus import target
from getmore_assets.defs.line import Job, Line, Made, targets


@dg.asset(
    partitions_def=targets,
    group_name="corpus",
    kinds={"deltalake", "polars"},
    code_version="1",
    description="The target: train, validation and test, with labels where there are any, and general text where "
    "the task brings its own. Rows of train that are in validation or test are taken out and listed; "
    "test stays as it is.",
)
def target_data(context: dg.AssetExecutionContext, line: Line) -> dg.MaterializeResult:
    """The target's splits as a Delta table."""
    return line.materialise(
        context, inputs=(), settings=lambda t: [t.target, t.general, target.source_version(t)], make=_read
    )


def _read(job: Job) -> Made:
    rows, facts = target.read_target(job.task)
    stored = rows.select("split", "row", "id", "text", pl.col("label").cast(pl.String), "origin")
    table = job.lake.replace(target.TABLE, stored, {"target": job.task.name}, job.commit)
    return Made(rows.height, facts.__dict__, table, data_version=target.data_version(rows))
