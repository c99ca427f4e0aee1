"""`target_data`: the examples of what is wanted."""

import dagster as dg
import polars as pl

from getmore_assets.corpus import target
from getmore_assets.defs.checks import partition_check
from getmore_assets.defs.columns import owners, schema_of, tags_of
from getmore_assets.defs.job import Job, Made
from getmore_assets.defs.line import Line, targets
from getmore_assets.defs.shared_checks import has_its_columns, is_current, volume_is_usual


@dg.asset(
    partitions_def=targets,
    metadata=schema_of("target_data"),
    tags=tags_of("target_data"),
    owners=owners(),
    group_name="corpus",
    kinds={"deltalake", "polars"},
    code_version="7",
    description="The target: train, validation and test, with labels where there are any, and general text where "
    "the task brings its own. Rows of train that are in validation or test, or overlap them, are taken out and "
    "listed; test stays as it is.",
)
def target_data(context: dg.AssetExecutionContext, line: Line) -> dg.MaterializeResult:
    """The target's splits as a Delta table."""
    return line.materialise(context, inputs=(), settings=target.recipe, make=_read)


def _read(job: Job) -> Made:
    rows, facts = target.read_target(job.task)
    stored = rows.select("split", "row", "id", "text", pl.col("label").cast(pl.String), "domain", "origin")
    table = job.lake.replace(target.TABLE, stored, {"target": job.task.name}, job.commit)
    return Made(rows.height, facts.__dict__, table, data_version=target.data_version(rows))


@partition_check(
    target_data,
    blocking=True,
    description="No row of train is in validation or test, or overlaps them (unless `leakage: allow`).",
)
def train_is_apart_from_test(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Looks for the rows of train that the model would be evaluated on."""
    task, record = line.record(context, "target_data")
    table = record.table_ref()
    rows = table.scan().filter(pl.col("target") == task.name).collect()
    train = rows.filter(pl.col("split") == "train").unique("id", maintain_order=True)
    shared = train.join(target.evaluated_ids(table, task), on="id")
    leaks = target.guard_of(rows).leaks(train)
    return dg.AssetCheckResult(
        passed=not shared.height and (not leaks.height or task.leakage == "allow"),
        metadata={
            "shared": shared.height,
            "first": shared["origin"].head(20).to_list(),
            "overlapping": leaks.height,
            "first_overlapping": leaks.head(20).to_dicts(),
        },
    )


target_data_has_its_columns = has_its_columns(target_data)
the_targets_volume_is_usual = volume_is_usual(target_data, "the_targets_volume_is_usual")
the_target_is_current = is_current(target_data, "the_target_is_current", target.recipe)
