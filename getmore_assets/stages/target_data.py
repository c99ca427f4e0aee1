"""`target_data`: the examples of what is wanted."""

import polars as pl

from getmore_assets.corpus import target
from getmore_assets.records import Record
from getmore_assets.stages.checks import Checked, Finding, check
from getmore_assets.stages.columns import ID, ORIGIN, TARGET, TEXT, Column
from getmore_assets.stages.job import Job, StageResult
from getmore_assets.stages.shared_checks import is_current, volume_is_usual
from getmore_assets.stages.stage import Stage


def held_out_by(last: Record | None) -> str:
    """Return how splits that are not given are taken from train.

    A lake that was split row by row stays so: other splits would have all of its models trained again.
    """
    return target.TargetFacts.of(last).held_out_by if last else target.GROUPS


def _read(job: Job) -> StageResult:
    rows, facts = target.read_target(job.task, held_out_by(job.last))
    stored = rows.select("split", "row", "id", "text", pl.col("label").cast(pl.String), "domain", "origin")
    table = job.lake.replace(target.TABLE, stored, {"target": job.task.name}, job.commit)
    return StageResult(rows.height, facts.model_dump(), table, data_version=target.data_version(rows))


@check(blocking=True)
def train_is_apart_from_test(of: Checked) -> Finding:
    """No row of train is in validation or test, or overlaps them (unless `leakage: allow`)."""
    task, record = of.task, of.record
    table = record.table_ref()
    rows = of.rows.collect()
    train = rows.filter(pl.col("split") == "train").unique("id", maintain_order=True)
    shared = train.join(target.ids_of(table, task), on="id")
    leaks = target.guard_of(rows).leaks(train)
    return Finding(
        passed=not shared.height and (not leaks.height or task.leakage == "allow"),
        metadata={
            "shared": shared.height,
            "first": shared["origin"].head(20).to_list(),
            "overlapping": leaks.height,
            "first_overlapping": leaks.head(20).to_dicts(),
        },
    )


STAGE = Stage(
    name="target_data",
    description="The target: train, validation and test, with labels where there are any, and general text where "
    "the task brings its own. Rows of train that are in validation or test, or overlap them, are taken out and "
    "listed; test stays as it is.",
    group="inputs",
    kinds=frozenset({"deltalake", "polars"}),
    code_version="7",
    settings=target.recipe,
    make=_read,
    columns={
        "target": TARGET,
        "split": Column(pl.String, "train, validation, test, general or negative"),
        "row": Column(pl.Int64, "the place in its split, from 0"),
        "id": ID.of("target.text"),
        "text": TEXT.of("target.text"),
        "label": Column(pl.String, "the label; null for a language model", ("target.label",)),
        "domain": Column(
            pl.String,
            "which part of the target the row is in; the file's name where no column says it",
            ("target.domain",),
        ),
        "origin": ORIGIN,
    },
    checks=(
        train_is_apart_from_test,
        volume_is_usual("the_targets_volume_is_usual"),
        is_current("the_target_is_current", target.recipe),
    ),
)
