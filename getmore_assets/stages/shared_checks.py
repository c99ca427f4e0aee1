"""Checks that several stages have: the columns, the volume, whether it is current, finite weights.

Belongs here: making such a check for a stage. Does not: what one stage alone is checked for.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import Records, making
from getmore_assets.stages.checks import Check, Checked, Finding
from getmore_assets.stages.columns import Columns
from getmore_assets.weights import not_finite

_FEWEST, _MOST = 0.5, 2.0  # times the rows of the making before


def has_its_columns(stage: str, columns: Columns) -> Check:
    """`<stage>_has_its_columns`: the table has the columns that others read, each of its type."""

    def evaluate(of: Checked) -> Finding:
        found = of.record.table_ref().scan().collect_schema()
        wrong = {
            name: f"{found.get(name, 'missing')}, not {column.kind}"
            for name, column in columns.items()
            if found.get(name) != column.kind
        }
        return Finding(passed=not wrong, metadata={"wrong": wrong, "beside": sorted(set(found) - set(columns))})

    description = f"Every column of {stage} is there, with its type. Others may stand beside them."
    return Check(f"{stage}_has_its_columns", description, evaluate, blocking=True)


def volume_is_usual(name: str) -> Check:
    """Advice: not fewer than half, nor more than twice as many rows as the same data had in its last other version."""
    description = "The rows are at least half and at most twice as many as in the version before."
    return Check(name, description, _volume_is_usual, looks_outside=True)


def _volume_is_usual(of: Checked) -> Finding:
    record = of.record
    before = [
        one
        for one in Records(Lake(of.task.lake), of.task.name).makings(of.stage)
        if one.made_at <= record.made_at
        and one.data_version != record.data_version
        and one.facts.get("pool") == record.facts.get("pool")  # another pool says nothing of this one
    ]
    if not before:
        return Finding(passed=True, metadata={"rows": record.rows, "note": "there is no version before"})
    rows = before[-1].rows
    return Finding(
        passed=_FEWEST * rows <= record.rows <= _MOST * rows,
        metadata={"rows": record.rows, "rows_before": rows, "made_before": before[-1].made_at},
    )


def is_current(name: str, settings: Callable[[Task], Any]) -> Check:
    """Advice: what was made was made from what the sources hold now.

    Args:
        name: Of the check.
        settings: Of a stage that reads sources alone: what its cache key is made from.
    """

    def evaluate(of: Checked) -> Finding:
        record = of.record
        metadata = {"made_at": record.made_at}
        try:
            wanted = making(of.stage, record.code_version, settings(of.task), record.inputs)
        except BadInput as error:
            return Finding(passed=False, metadata={**metadata, "source": str(error)})
        if record.fingerprint == wanted:
            return Finding(passed=True, metadata=metadata)
        note = "a source or a setting has changed since: run the pipeline"
        return Finding(passed=False, metadata={**metadata, "note": note})

    description = "It was made from what its sources hold now, as the task file says."
    return Check(name, description, evaluate, looks_outside=True)


def weights_are_finite(stage: str) -> Check:
    """`<stage>_weights_are_finite`: no tensor of the model has a NaN or an infinity."""

    def evaluate(of: Checked) -> Finding:
        folder, tensors, bad = Path(of.record.folders["model"]), 0, []
        for file in sorted(folder.glob("*.safetensors")):
            held, names = not_finite(file)
            tensors += held
            bad += [f"{file.name}: {name}" for name in names]
        return Finding(
            passed=tensors > 0 and not bad,
            metadata={"folder": str(folder), "tensors": tensors, "not_finite": len(bad), "first": bad[:20]},
        )

    description = "The model has weights, and every number in them is finite."
    return Check(f"{stage}_weights_are_finite", description, evaluate, blocking=True)
