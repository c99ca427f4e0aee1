"""`getmore compare`: selectors side by side.

Belongs here: options and output. Does not: the tables
(`reporting/comparison.py`), or running the pipeline (`run.py`).
"""

import json
from typing import TYPE_CHECKING

import click

from getmore_assets.cli.execution import log_to_terminal, verb
from getmore_assets.cli.exits import refusals
from getmore_assets.cli.run import carry
from getmore_assets.cli.terminal import OUT, harmless, print_table
from getmore_assets.config import UNSELECTED, Task
from getmore_assets.errors import BadInput
from getmore_assets.json_models import JsonObject
from getmore_assets.task_files import load_task

if TYPE_CHECKING:
    from getmore_assets.records import Record
    from getmore_assets.reporting import comparison


@click.command()
@verb
@click.option("--selectors", help="Names with commas between; the first is compared with the others.")
@click.option("--seeds", type=click.IntRange(1), help="How often each model is trained and scored.")
def compare(task: str, overrides: tuple[str, ...], as_json: bool, selectors: str | None, seeds: int | None) -> None:
    """Compare selectors on the scorecard.

    Prints every metric with its interval, gains, cost, forgetting and the verdict. Missing runs are run first, as by
    `getmore run`. For example:

    getmore compare TASK.yaml --selectors got-d,knn,dsir,random,none --seeds 3

    Names are selectors, or names that the task file gives to selectors with settings; `none` is no warm-up.
    """
    with refusals(as_json):
        asked = (*overrides, *_overrides(load_task(task, overrides), selectors, seeds))
        chosen = load_task(task, asked)
        log_to_terminal()
        made = _there(chosen)
    from getmore_assets.lake import Lake
    from getmore_assets.records import Records
    from getmore_assets.reporting import comparison

    if made is None:
        carry("run", chosen, task, asked, as_json)
        made = Records(Lake(chosen.lake), chosen.name).require("scorecard", "Run it: getmore run")
    found = comparison.read(made)
    if as_json:
        parts = {name: made.facts[name] for name in ("summary", "gains", "distances", "scored")}
        said = {"task": chosen.name, "headline": found.headline, "verdict": found.verdict}
        click.echo(json.dumps({**said, **parts, "report": found.report}))
    else:
        _print(found)


def _overrides(task: Task, selectors: str | None, seeds: int | None) -> list[str]:
    """The options as overrides of the task file."""
    found = [] if seeds is None else [f"seeds={seeds}"]
    if selectors is None:
        return found
    names = [name.strip() for name in selectors.split(",") if name.strip()]
    if not names or names[0] in UNSELECTED or len(set(names)) < len(names):
        what = "needs a selector first that the others are compared with, and each name once"
        raise BadInput(f"--selectors {selectors}", what, "Write for example got-d,random,none")
    settings: JsonObject = {
        one.called: one.model_dump(mode="json", exclude_unset=True)
        for one in (*task.rivals, task.selection.only_selector())
    }
    first, *others = (settings.get(name, {"selector": name}) for name in names)
    budget = {"budget": task.selection.budget.model_dump(exclude_unset=True)}
    return [*found, f"selection={json.dumps({**first, **budget})}", f"compare={json.dumps(others)}"]


def _there(task: Task) -> "Record | None":
    """The record of the scorecard if a run would change nothing, else None."""
    from getmore_assets.stages.status import absent, stage_statuses

    if absent(task):
        return None
    statuses = stage_statuses(task)
    return statuses["scorecard"].record if all(one.record for one in statuses.values()) else None


def _print(found: "comparison.Comparison") -> None:
    for table in found.tables:
        head, numbers = [one.name for one in table.head], [one.number for one in table.head]
        print_table(OUT, head, table.rows, table.title, table.said, numbers)
    for sentence in (found.headline, *found.verdict):
        OUT.print(harmless(sentence), markup=False, soft_wrap=True)
    OUT.print(f"report: {found.report}", markup=False, soft_wrap=True)
