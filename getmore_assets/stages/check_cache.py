"""Cached results of asset checks, so that a run with nothing to do reads no table.

Belongs here: saving and finding the results of passed checks. Does not: `getmore check`, which evaluates every check.
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
from getmore_assets.stages.checks import Check, CheckContext, CheckResult

EVALUATED_AT = "looked_at"  # the metadata key with the time at which a cached result was evaluated


def result(check: Check, context: CheckContext) -> CheckResult:
    """Return the cached result of a check, or evaluate the check."""
    if not check.cacheable:
        return check.evaluate(context)
    key = key_of(check.evaluate, context.task, context.stage)
    cached = last_result(context.task, check.name, key)
    if cached is not None:
        return cached
    evaluated = check.evaluate(context)
    remember(context.task, check.name, key, evaluated)
    return evaluated


def key_of(check: Callable[..., Any], task: Task, stage: str) -> str:
    """Return a hash of the check's code, the task, and the records of the check's stage and all stages before it.

    A record changes whenever its stage is materialized.
    """
    records = Lake(task.lake).root / "records" / task.name
    key = hashlib.blake2b(inspect.getsource(check).encode(), digest_size=16)
    key.update(task.model_dump_json().encode())
    for name in STAGE_NAMES[: STAGE_NAMES.index(stage) + 1]:
        with suppress(FileNotFoundError):
            key.update((records / f"{name}.json").read_bytes())
    return key.hexdigest()


def last_result(task: Task, name: str, key: str) -> CheckResult | None:
    """Return the saved result of a check that passed with this key, or None."""
    try:
        saved = json.loads((Lake(task.lake).root / "checks" / task.name / f"{name}.json").read_text("utf-8"))
        if saved["key"] != key:
            return None
        return CheckResult(True, {**saved["metadata"], EVALUATED_AT: saved[EVALUATED_AT]})
    except (OSError, ValueError, KeyError, TypeError):  # no file, or a damaged one
        return None


def remember(task: Task, name: str, key: str, evaluated: CheckResult) -> None:
    """Save the result of a check that passed."""
    if not evaluated.passed:
        return
    with suppress(OSError):  # a read-only lake, or a full disk
        saved = {"key": key, EVALUATED_AT: now(), "metadata": evaluated.metadata}
        write_atomically(Lake(task.lake).folder("checks", task.name) / f"{name}.json", json.dumps(saved))
