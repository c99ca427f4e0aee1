"""Checks that several stages have: columns, volume, up-to-date sources, finite weights.

Belongs here: building such a check for a stage. Does not: checks of one stage, which are in its module.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import Records, cache_key
from getmore_assets.stages.checks import Check, CheckContext, CheckResult
from getmore_assets.stages.columns import Columns
from getmore_assets.weights import not_finite

_LEAST, _MOST = 0.5, 2.0  # times the rows of the previous version


def has_its_columns(stage: str, columns: Columns) -> Check:
    """Return `<stage>_has_its_columns`: the table has every column with its type."""

    def evaluate(context: CheckContext) -> CheckResult:
        schema = context.record.table_ref().scan().collect_schema()
        wrong = {
            name: f"{schema.get(name, 'missing')}, not {column.kind}"
            for name, column in columns.items()
            if schema.get(name) != column.kind
        }
        return CheckResult(passed=not wrong, metadata={"wrong": wrong, "beside": sorted(set(schema) - set(columns))})

    description = f"Every column of {stage} is present, with its type. Other columns are allowed."
    return Check(f"{stage}_has_its_columns", description, evaluate, blocking=True)


def volume_is_usual(name: str) -> Check:
    """Return a check that the table has at least half and at most twice the rows of the previous version."""
    description = "The table has at least half and at most twice the rows of the previous version."
    return Check(name, description, _volume_is_usual, cacheable=False)


def _volume_is_usual(context: CheckContext) -> CheckResult:
    record = context.record
    before = [
        other
        for other in Records(Lake(context.task.lake), context.task.name).materializations(context.stage)
        if other.made_at <= record.made_at
        and other.data_version != record.data_version
        and other.facts.get("pool") == record.facts.get("pool")
    ]
    if not before:
        return CheckResult(passed=True, metadata={"rows": record.rows, "note": "there is no version before"})
    rows = before[-1].rows
    return CheckResult(
        passed=_LEAST * rows <= record.rows <= _MOST * rows,
        metadata={"rows": record.rows, "rows_before": rows, "made_before": before[-1].made_at},
    )


def is_current(name: str, settings: Callable[[Task], Any]) -> Check:
    """Return a check that a stage was materialized from the sources' current data and with the current settings.

    Args:
        name: The name of the check.
        settings: The `settings` of the stage, which reads sources only.
    """

    def evaluate(context: CheckContext) -> CheckResult:
        record = context.record
        metadata = {"made_at": record.made_at}
        try:
            key = cache_key(context.stage, record.code_version, settings(context.task), record.inputs)
        except BadInput as error:
            return CheckResult(passed=False, metadata={**metadata, "source": str(error)})
        if record.fingerprint == key:
            return CheckResult(passed=True, metadata=metadata)
        note = "a source or a setting has changed since: run the pipeline"
        return CheckResult(passed=False, metadata={**metadata, "note": note})

    description = "The stage was materialized from the sources' current data, with the settings of the task file."
    return Check(name, description, evaluate, cacheable=False)


def weights_are_finite(stage: str) -> Check:
    """Return `<stage>_weights_are_finite`: no tensor of the model has a NaN or an infinity."""

    def evaluate(context: CheckContext) -> CheckResult:
        folder, tensors, bad = Path(context.record.folders["model"]), 0, []
        for file in sorted(folder.glob("*.safetensors")):
            count, names = not_finite(file)
            tensors += count
            bad += [f"{file.name}: {name}" for name in names]
        return CheckResult(
            passed=tensors > 0 and not bad,
            metadata={"folder": str(folder), "tensors": tensors, "not_finite": len(bad), "first": bad[:20]},
        )

    description = "The model has weights, and every weight is finite."
    return Check(f"{stage}_weights_are_finite", description, evaluate, blocking=True)
