"""What checks found last, so that a run that has nothing to do reads records and no table.

Belongs here: when a check's last result stands, and keeping it. Does not: a check, or `getmore check`, which evaluates
every check anew.
"""

import hashlib
import inspect
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from getmore_assets.config import Task
from getmore_assets.lake import Lake
from getmore_assets.records import STAGE_NAMES, now, write_atomically
from getmore_assets.stages.checks import Check, Checked, Finding

LOOKED_AT = "looked_at"  # the metadata of a result that stands: when it was found


def result(check: Check, of: Checked) -> Finding:
    """Return what a check finds: its last result where that stands, else what it finds now."""
    if check.looks_outside:
        return check.evaluate(of)
    key = key_of(check.evaluate, of.task, of.stage)
    found = last_result(of.task, check.name, key)
    if found is None:
        found = check.evaluate(of)
        remember(of.task, check.name, key, found)
    return found


def key_of(check: Callable[..., Any], task: Task, stage: str) -> str:
    """Return a hash of all that a check's result depends on.

    These are its code, the task as it is now, and the records of its stage and of every stage before it: a record
    changes whenever its stage is materialized.
    """
    records = Lake(task.lake).root / "records" / task.name
    found = hashlib.blake2b(inspect.getsource(check).encode(), digest_size=16)
    found.update(task.model_dump_json().encode())
    for name in STAGE_NAMES[: STAGE_NAMES.index(stage) + 1]:
        with suppress(FileNotFoundError):
            found.update((records / f"{name}.json").read_bytes())
    return found.hexdigest()


def last_result(task: Task, name: str, key: str) -> Finding | None:
    """Return the result of a check that passed with this key, or None."""
    try:
        kept = json.loads((Lake(task.lake).root / "checks" / task.name / f"{name}.json").read_text("utf-8"))
        if kept["key"] != key:
            return None
        return Finding(True, {**kept["metadata"], LOOKED_AT: kept[LOOKED_AT]})
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or not whole: the check says it anew
        return None


def remember(task: Task, name: str, key: str, found: Finding) -> None:
    """Keep the result of a check that passed; one that failed is looked at anew each time."""
    if not found.passed:
        return
    with suppress(OSError):  # a lake that can only be read, or a full disk: it is looked at again
        folder = Lake(task.lake).folder("checks", task.name)
        write_atomically(
            folder / f"{name}.json", json.dumps({"key": key, LOOKED_AT: now(), "metadata": found.metadata})
        )
