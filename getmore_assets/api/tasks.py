"""The task of a call, built from the call's arguments.

Belongs here: sources of every kind, the budget, the fields of the task file. Does not: running a task.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from getmore_assets.config import Task
from getmore_assets.corpus.identity import file_hash
from getmore_assets.corpus.tabular import as_frame
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake, unfinished
from getmore_assets.preflight import require_writable
from getmore_assets.task_parsing import task_of

#: A path, the fields of a source as a task file has them, or rows: a frame of polars or pandas, a PyArrow table, a
#: `datasets.Dataset`, a list of texts or of dicts.
Source = Any
#: The budget of a selection: a number of rows, a fraction of the pool (a float), or `{"tokens": 100_000}`.
Budget = int | float | Mapping[str, Any]


def build_task(
    candidates: Source,
    target: Source,
    *,
    name: str,
    lake: str | Path,
    text: str,
    columns: Mapping[str, str | None],
    label: str | None,
    splits: Mapping[str, Source],
    budget: Budget | None,
    selector: str,
    settings: Mapping[str, Any],
) -> Task:
    """Return the task of a call of `select` or `compare`, whose docstrings explain the arguments.

    Raises:
        BadInput: A source cannot be read, or a field is unknown or has a wrong value.
    """
    store = Lake(lake)
    require_writable(store)
    selection = {"selector": selector, **settings.get("selection", {})}
    if budget is not None:
        selection["budget"] = _budget(budget)
    targets = {split: rows for split, rows in {"train": target, **splits}.items() if rows is not None}
    of_candidates = {"text": text, **{field: column for field, column in columns.items() if column}}
    fields = {
        **settings,
        "name": name,
        "lake": str(lake),
        "candidates": [_source(candidates, "candidates", store, of_candidates)],
        "target": {
            **{split: _source(rows, split, store, {}) for split, rows in targets.items()},
            "text": text,
            **({"label": label} if label else {}),
        },
        "selection": selection,
    }
    return task_of(fields, (), "the arguments")


def _budget(budget: Budget) -> Mapping[str, Any]:
    if isinstance(budget, Mapping):
        return budget
    return {"fraction": budget} if isinstance(budget, float) else {"rows": budget}


def _source(source: Source, where: str, lake: Lake, fields: Mapping[str, str]) -> JsonObject:
    """Return the fields of a source. Rows in memory are written to a file in the lake, named by the file's hash."""
    if isinstance(source, Mapping):
        return {**fields, **source}
    if isinstance(source, str | Path):
        return {**fields, "path": str(source)}
    folder = lake.folder("inputs")
    partial = unfinished(folder / "rows.parquet")
    as_frame(source, where).write_parquet(partial)
    file = folder / f"{file_hash(partial)[:16]}.parquet"
    partial.replace(file)
    return {**fields, "path": str(file)}
