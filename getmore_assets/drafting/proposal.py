"""The task that `getmore init` proposes: the likeliest task that a run would accept.

Belongs here: checking one assignment of pool and target after the other with the preflight of a run, and the reasons
for refusals. Does not: the assignments (`assignments.py`, `likelihood.py`), or drafting a task (`draft.py`).
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from getmore_assets.config import Task
from getmore_assets.drafting.assignments import find_assignments
from getmore_assets.drafting.draft import Choice, Draft, drafted
from getmore_assets.drafting.files import SPLITS
from getmore_assets.drafting.likelihood import Ranked, by_likelihood, size_text
from getmore_assets.errors import BadInput
from getmore_assets.json_models import JsonObject


def propose(
    given: list[str], target: str | None = None, choose: Callable[[list[Ranked]], Ranked] | None = None
) -> Draft:
    """Return the likeliest task that can be run on some files and folders.

    Every draft is checked with the preflight of a run; if it is refused, the next assignment is tried.

    Args:
        given: Paths, relative to the working directory.
        target: The target's training examples, if the user names them.
        choose: Asks the user for one of several assignments, if names, labels and sizes do not decide.

    Raises:
        BadInput: A file cannot be read, no assignment can be run, or several can and `choose` is None.
    """
    try:
        ranked = by_likelihood(find_assignments(given, target))
        near = [each for each in ranked if each.is_near(ranked[0])]
        if len(near) > 1 and choose:
            ranked = near = [choose(near)]
        drafts, refused = _first_that_runs(ranked, near)
    except OSError as error:
        raise BadInput(str(error.filename), f"cannot be read ({error.strerror})", "Make it readable") from None
    if len(drafts) > 1:
        names = ", ".join(f"{each.target} ({size_text(each.size)})" for each, _ in drafts)
        options = " or ".join(f"--target {each.target}" for each, _ in drafts)
        what = "each could be the target with the others as the pool, and neither name, labels nor size decides"
        raise BadInput(names, what, f"Choose one: {options}")
    if not drafts:
        raise _none_runs(refused)
    chosen, draft = drafts[0]
    others = tuple(f"--target {each.target}" for each in ranked if each is not chosen)
    choices = [replace(c, others=others) if c.field == "target.train" else c for c in draft.choices]
    left = {each.target: f"as the target it was refused: {error.where}: {error.what}" for each, error in refused}
    return replace(draft, choices=choices, left=draft.left | left)


def _first_that_runs(
    ranked: list[Ranked], near: list[Ranked]
) -> tuple[list[tuple[Ranked, Draft]], list[tuple[Ranked, BadInput]]]:
    """Return the drafts of `near` that can be run, else the first other draft that can be run; and the refusals."""
    drafts: list[tuple[Ranked, Draft]] = []
    refused: list[tuple[Ranked, BadInput]] = []
    for each in ranked:
        if drafts and each not in near:
            break
        try:
            drafts.append((each, _accepted(drafted(each.assignment))))
        except BadInput as error:
            refused.append((each, error))
    return drafts, refused


def _none_runs(refused: list[tuple[Ranked, BadInput]]) -> BadInput:
    (likeliest, first), *others = refused
    if not others:
        return first
    tried = "; ".join(f"{each.target}: {error.where}: {error.what}" for each, error in others)
    why = f"taken for the target, because {likeliest.assignment.why}, it is refused"
    what = f"{why}: {first.where}: {first.what}. Also {tried}"
    return BadInput(likeliest.target, what, f"{first.fix}, or say which is the target: --target FILE")


def _accepted(draft: Draft) -> Draft:
    """Return a draft that the preflight of a run accepts, with `bad_rows: skip` if there are bad rows.

    Raises:
        BadInput: The preflight refuses the draft.
    """
    try:
        _preflight(draft.fields)
    except BadInput as error:
        if "bad_rows: skip" not in error.fix:
            raise
        skipping = _skipping(draft.fields)
        _preflight(skipping)
        choice = Choice("bad_rows", "skip", f"of every source, because of {error.where}: {error.what}", ("error",))
        return replace(draft, fields=skipping, choices=[*draft.choices, choice])
    return draft


def _preflight(fields: JsonObject) -> None:
    from getmore_assets import preflight

    with TemporaryDirectory(prefix="getmore-init-") as lake:
        preflight.check(Task.model_validate({**fields, "lake": lake}))


def _skipping(fields: JsonObject) -> JsonObject:
    """Return the fields with `bad_rows: skip` in every source."""

    def skip(source: Any) -> JsonObject:
        return {**({"path": source} if isinstance(source, str) else source), "bad_rows": "skip"}

    target = {name: skip(value) if name in SPLITS else value for name, value in fields["target"].items()}
    return {**fields, "candidates": [skip(source) for source in fields["candidates"]], "target": target}


def relative_to(draft: Draft, folder: Path) -> Draft:
    """Return the draft with every path relative to the folder of the task file, as paths in task files are."""

    def moved(source: Any) -> Any:
        if isinstance(source, str):
            return source if Path(source).is_absolute() or "://" in source else os.path.relpath(source, folder)
        return {**source, "path": moved(source["path"])}

    fields = draft.fields
    target = {name: moved(value) if name in SPLITS else value for name, value in fields["target"].items()}
    candidates = [moved(source) for source in fields["candidates"]]
    return replace(draft, fields={**fields, "candidates": candidates, "target": target})
