"""Approvals of selections, which tasks with `approval: true` require before training.

Belongs here: giving, finding and requiring an approval. Does not: training.
"""

import json
from pathlib import Path

from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.lake import FRESH_S, Lake
from getmore_assets.records import now, write_atomically


def give(lake: Lake, task: Task, selection_hash: str, by: str) -> None:
    """Approve a selection for training; `by` says who approved it."""
    path = _path(lake, task, selection_hash)
    write_atomically(path, json.dumps({"by": by, "at": now()}))
    lake.push(*lake.named(path))


def is_given(lake: Lake, task: Task, selection_hash: str) -> bool:
    """Return whether a selection is approved."""
    path = _path(lake, task, selection_hash)
    lake.pull(*lake.named(path), within=FRESH_S)
    return path.is_file()


def require(lake: Lake, task: Task, selection_hash: str) -> None:
    """Require that a selection is approved.

    Raises:
        BadInput: It is not approved.
    """
    if not is_given(lake, task, selection_hash):
        what = f"selection {selection_hash[:12]} waits for an approval (`approval: true`)"
        fix = f"Look at it, then run `getmore approve`, or the job `approve` in the UI, on {task.name}"
        raise BadInput(f"selected_subset of {task.name}", what, fix)


def _path(lake: Lake, task: Task, selection_hash: str) -> Path:
    return lake.folder("records", task.name, "approved") / f"{selection_hash}.json"
