"""The checks that several stations have: columns, usual volume, still current, finite weights.

Belongs here: a check that is the same for each of its stations. Does not: what one station alone is checked for.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from getmore_assets.config import Task
from getmore_assets.defs.checks import partition_check
from getmore_assets.defs.columns import COLUMNS
from getmore_assets.defs.line import Line
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import Records, making
from getmore_assets.weights import not_finite

_FEWEST, _MOST = 0.5, 2.0  # times the rows of the making before


def has_its_columns(asset: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    """`<station>_has_its_columns`: the table has the columns that others read, each of its type."""
    station = asset.key.path[-1]
    columns = {name: kind for name, (kind, _) in COLUMNS[station].items()}

    @partition_check(
        asset,
        name=f"{station}_has_its_columns",
        blocking=True,
        description=f"Every column of {station} is there, with its type. Others may stand beside them.",
    )
    def evaluate(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
        _, record = line.record(context, station)
        found = record.table_ref().scan().collect_schema()
        wrong = {
            name: f"{found.get(name, 'missing')}, not {kind}"
            for name, kind in columns.items()
            if found.get(name) != kind
        }
        return dg.AssetCheckResult(
            passed=not wrong, metadata={"wrong": wrong, "beside": sorted(set(found) - set(columns))}
        )

    return evaluate


def volume_is_usual(asset: dg.AssetsDefinition, name: str) -> dg.AssetChecksDefinition:
    """Advice: not fewer than half, nor more than twice as many rows as the same data had in its last other version."""
    station = asset.key.path[-1]

    @partition_check(
        asset,
        name=name,
        description="The rows are at least half and at most twice as many as in the version before.",
        looks_outside=True,
    )
    def evaluate(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
        task, record = line.record(context, station)
        before = [
            one
            for one in Records(Lake(task.lake), task.name).makings(station)
            if one.made_at <= record.made_at
            and one.data_version != record.data_version
            and one.facts.get("pool") == record.facts.get("pool")  # another pool says nothing of this one
        ]
        if not before:
            return dg.AssetCheckResult(
                passed=True, metadata={"rows": record.rows, "note": "there is no version before"}
            )
        rows = before[-1].rows
        return dg.AssetCheckResult(
            passed=_FEWEST * rows <= record.rows <= _MOST * rows,
            metadata={"rows": record.rows, "rows_before": rows, "made_before": before[-1].made_at},
        )

    return evaluate


def is_current(asset: dg.AssetsDefinition, name: str, settings: Callable[[Task], Any]) -> dg.AssetChecksDefinition:
    """Advice: what was made was made from what the sources hold now.

    Args:
        asset: A station that reads sources alone.
        name: Of the check.
        settings: The station's own: what its fingerprint is made from.
    """
    station = asset.key.path[-1]

    @partition_check(
        asset,
        name=name,
        description="It was made from what its sources hold now, as the task file says.",
        looks_outside=True,
    )
    def evaluate(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
        task, record = line.record(context, station)
        metadata = {"made_at": record.made_at}
        try:
            wanted = making(station, record.code_version, settings(task), record.inputs)
        except BadInput as error:
            return dg.AssetCheckResult(passed=False, metadata={**metadata, "source": str(error)})
        if record.fingerprint == wanted:
            return dg.AssetCheckResult(passed=True, metadata=metadata)
        note = "a source or a setting has changed since: run the line"
        return dg.AssetCheckResult(passed=False, metadata={**metadata, "note": note})

    return evaluate


def weights_are_finite(asset: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    """`<station>_weights_are_finite`: no tensor of the model has a NaN or an infinity."""
    station = asset.key.path[-1]

    @partition_check(
        asset,
        name=f"{station}_weights_are_finite",
        blocking=True,
        description="The model has weights, and every number in them is finite.",
    )
    def evaluate(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
        _, record = line.record(context, station)
        folder, tensors, bad = Path(record.folders["model"]), 0, []
        for file in sorted(folder.glob("*.safetensors")):
            held, names = not_finite(file)
            tensors += held
            bad += [f"{file.name}: {name}" for name in names]
        return dg.AssetCheckResult(
            passed=tensors > 0 and not bad,
            metadata={"folder": str(folder), "tensors": tensors, "not_finite": len(bad), "first": bad[:20]},
        )

    return evaluate
