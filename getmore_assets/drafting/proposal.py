"""The task that `getmore init` proposes: the likeliest one that a run would accept.

Belongs here: checking one assignment of pool and target after the other with the preflight of a run, and the reasons
for refusals. Does not: the assignments (`sides.py`, `weighing.py`), or drafting a task (`draft.py`).
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from getmore_assets.config import Task
from getmore_assets.drafting.draft import Choice, Draft, drafted
from getmore_assets.drafting.files import SPLITS
from getmore_assets.drafting.sides import tell_apart
from getmore_assets.drafting.weighing import Way, said_size, weigh
from getmore_assets.errors import BadInput
from getmore_assets.json_models import JsonObject


def propose(given: list[str], target: str | None = None, choose: Callable[[list[Way]], Way] | None = None) -> Draft:
    """Return the likeliest task for some files and folders that can be run.

    Every draft is checked with the preflight of a run; if it is refused, the next assignment is tried.

    Args:
        given: Paths, relative to the working directory.
        target: The target's training examples, where the user names them.
        choose: Asks the user for one of several assignments, where names, labels and sizes do not decide.

    Raises:
        BadInput: A file cannot be read, no assignment can be run, or several can and `choose` is None.
    """
    try:
        ways = weigh(tell_apart(given, target))
        near = [way for way in ways if way.is_near(ways[0])]
        if len(near) > 1 and choose:
            ways = near = [choose(near)]
        made, refused = _first_that_runs(ways, near)
    except OSError as error:
        raise BadInput(str(error.filename), f"cannot be read ({error.strerror})", "Make it readable") from None
    if len(made) > 1:
        names = ", ".join(f"{way.target} ({said_size(way.size)})" for way, _ in made)
        options = " or ".join(f"--target {way.target}" for way, _ in made)
        what = "each could be the target with the others as the candidate pool, and neither name, labels nor size tells"
        raise BadInput(names, what, f"Say which one: {options}")
    if not made:
        raise _none_runs(refused)
    way, found = made[0]
    others = (*(f"--target {one.target}" for one in ways if one is not way),)
    choices = [replace(one, others=others) if one.field == "target.train" else one for one in found.choices]
    left = {one.target: f"as the target it was refused: {error.where}: {error.what}" for one, error in refused}
    return replace(found, choices=choices, left=found.left | left)


def _first_that_runs(ways: list[Way], near: list[Way]) -> tuple[list[tuple[Way, Draft]], list[tuple[Way, BadInput]]]:
    """Return the drafts that can be run among equally likely assignments, else the first draft; and the refusals."""
    made: list[tuple[Way, Draft]] = []
    refused: list[tuple[Way, BadInput]] = []
    for way in ways:
        if made and way not in near:
            break
        try:
            made.append((way, _proved(drafted(way.sides))))
        except BadInput as error:
            refused.append((way, error))
    return made, refused


def _none_runs(refused: list[tuple[Way, BadInput]]) -> BadInput:
    (way, first), *others = refused
    if not others:
        return first
    tried = "; ".join(f"{one.target}: {error.where}: {error.what}" for one, error in others)
    what = f"taken for the target, because {way.sides.why}, it is refused: {first.where}: {first.what}. Also {tried}"
    return BadInput(way.target, what, f"{first.fix}, or say which is the target: --target FILE")


def _proved(made: Draft) -> Draft:
    """Return a draft that the preflight of a run accepts, with `bad_rows: skip` where there are bad rows.

    Raises:
        BadInput: The preflight refuses the draft.
    """
    try:
        _preflight(made.fields)
    except BadInput as error:
        if "bad_rows: skip" not in error.fix:
            raise
        skipping = _skipping(made.fields)
        _preflight(skipping)
        choice = Choice("bad_rows", "skip", f"of every source, because of {error.where}: {error.what}", ("error",))
        return replace(made, fields=skipping, choices=[*made.choices, choice])
    return made


def _preflight(fields: JsonObject) -> None:
    from getmore_assets import preflight

    with TemporaryDirectory(prefix="getmore-init-") as lake:
        preflight.check(Task.model_validate({**fields, "lake": lake}))


def _skipping(fields: JsonObject) -> JsonObject:
    """Return the fields with `bad_rows: skip` in every source."""

    def skip(source: Any) -> JsonObject:
        return {**({"path": source} if isinstance(source, str) else source), "bad_rows": "skip"}

    target = {name: skip(value) if name in SPLITS else value for name, value in fields["target"].items()}
    return {**fields, "candidates": [skip(one) for one in fields["candidates"]], "target": target}


def relative_to(made: Draft, folder: Path) -> Draft:
    """Return the draft with every path relative to the folder of the task file, as paths in task files are."""

    def moved(source: Any) -> Any:
        if isinstance(source, str):
            return source if Path(source).is_absolute() or "://" in source else os.path.relpath(source, folder)
        return {**source, "path": moved(source["path"])}

    fields = made.fields
    target = {name: moved(value) if name in SPLITS else value for name, value in fields["target"].items()}
    moved_fields = {**fields, "candidates": [moved(one) for one in fields["candidates"]], "target": target}
    return replace(made, fields=moved_fields)
