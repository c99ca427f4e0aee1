"""`target_data`: the target's train, validation and test rows."""

import polars as pl

from getmore_assets.corpus import target
from getmore_assets.records import Record
from getmore_assets.stages.checks import CheckContext, CheckResult, check
from getmore_assets.stages.columns import ID, ORIGIN, TARGET, TEXT, Column
from getmore_assets.stages.shared_checks import is_current, volume_is_usual
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext, StageResult


def held_out_by(last: Record | None) -> str:
    """Return how splits that are not given are taken from train: as in the last record, else by groups.

    A lake that was split row by row keeps its splits, because new splits would retrain all of its models.
    """
    return target.TargetFacts.of(last).held_out_by if last else target.GROUPS


def _read(context: StageContext) -> StageResult:
    rows, facts = target.read_target(context.task, held_out_by(context.last))
    stored = rows.select("split", "row", "id", "text", pl.col("label").cast(pl.String), "domain", "origin")
    table = context.lake.replace(target.TABLE, stored, {"target": context.task.name}, context.commit)
    return StageResult(rows.height, facts.model_dump(), table, data_version=target.data_version(rows))


@check(blocking=True)
def train_is_apart_from_test(context: CheckContext) -> CheckResult:
    """No row of train is in validation or test, or overlaps one of their rows (unless `leakage: allow`)."""
    task, record = context.task, context.record
    table = record.table_ref()
    rows = context.rows.collect()
    train = rows.filter(pl.col("split") == "train").unique("id", maintain_order=True)
    shared = train.join(target.ids_of(table, task), on="id")
    leaks = target.guard_of(rows).leaks(train)
    return CheckResult(
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
    description="The target: train, validation and test, with labels if the task has them, and the task's own general "
    "text. Rows of train that are in validation or test, or overlap a row there, are removed and listed; test is not "
    "changed.",
    group="inputs",
    kinds=frozenset({"deltalake", "polars"}),
    code_version="7",
    settings=target.recipe,
    compute=_read,
    columns={
        "target": TARGET,
        "split": Column(pl.String, "train, validation, test, general or negative"),
        "row": Column(pl.Int64, "position in the split, from 0"),
        "id": ID.of("target.text"),
        "text": TEXT.of("target.text"),
        "label": Column(pl.String, "the label; null for a language model", ("target.label",)),
        "domain": Column(
            pl.String,
            "the part of the target; the file's name if no column gives it",
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
