"""`getmore compare`: selectors side by side.

Belongs here: options and output. Does not: the tables (`reporting/comparison.py`), or running the pipeline (`run.py`).
"""

import json
from typing import TYPE_CHECKING

import click

from getmore_assets.cli.execution import log_to_terminal, task_command
from getmore_assets.cli.exits import refusals
from getmore_assets.cli.run import run_pipeline
from getmore_assets.cli.terminal import OUT, harmless, print_table
from getmore_assets.config import UNSELECTED, Task
from getmore_assets.errors import BadInput
from getmore_assets.json_models import JsonObject
from getmore_assets.task_parsing import load_task

if TYPE_CHECKING:
    from getmore_assets.records import Record
    from getmore_assets.reporting import comparison


@click.command()
@task_command
@click.option("--selectors", help="Comma-separated names; the first is compared with the others.")
@click.option("--seeds", type=click.IntRange(1), help="Number of trainings per selector.")
def compare(task: str, overrides: tuple[str, ...], as_json: bool, selectors: str | None, seeds: int | None) -> None:
    """Compare selectors on the scorecard.

    Prints every metric with its interval, gains, cost, forgetting and the verdict. Stages that are not up to date are
    run first, as by `getmore run`. For example:

    getmore compare TASK.yaml --selectors got-d,knn,dsir,random,none --seeds 3

    Names are selectors, or names that the task file gives to selectors with settings; `none` is no warm-up.
    """
    with refusals(as_json):
        every = (*overrides, *_overrides(load_task(task, overrides), selectors, seeds))
        chosen = load_task(task, every)
        log_to_terminal()
        record = _current(chosen)
    from getmore_assets.lake import Lake
    from getmore_assets.records import Records
    from getmore_assets.reporting import comparison

    if record is None:
        run_pipeline("run", chosen, task, every, as_json)
        record = Records(Lake(chosen.lake), chosen.name).require("scorecard", "Run it: getmore run")
    scorecard = comparison.read(record)
    if as_json:
        parts = {name: record.facts[name] for name in ("summary", "gains", "distances", "scored")}
        verdict = {"task": chosen.name, "headline": scorecard.headline, "verdict": scorecard.verdict}
        click.echo(json.dumps({**verdict, **parts, "report": scorecard.report}))
    else:
        _print(scorecard)


def _overrides(task: Task, selectors: str | None, seeds: int | None) -> list[str]:
    """Return the options as overrides of the task file."""
    overrides = [] if seeds is None else [f"seeds={seeds}"]
    if selectors is None:
        return overrides
    names = [name.strip() for name in selectors.split(",") if name.strip()]
    if not names or names[0] in UNSELECTED or len(set(names)) < len(names):
        what = "must begin with a selector, which is compared with the others, and have each name once"
        raise BadInput(f"--selectors {selectors}", what, "Write for example got-d,random,none")
    settings: JsonObject = {
        selector.called: selector.model_dump(mode="json", exclude_unset=True)
        for selector in (*task.rivals, task.selection.only_selector())
    }
    first, *others = (settings.get(name, {"selector": name}) for name in names)
    budget = {"budget": task.selection.budget.model_dump(exclude_unset=True)}
    return [*overrides, f"selection={json.dumps({**first, **budget})}", f"compare={json.dumps(others)}"]


def _current(task: Task) -> "Record | None":
    """Return the record of the scorecard if a run would change nothing, else None."""
    from getmore_assets.stages.status import absent, stage_statuses

    if absent(task):
        return None
    statuses = stage_statuses(task)
    return statuses["scorecard"].record if all(status.record for status in statuses.values()) else None


def _print(scorecard: "comparison.Comparison") -> None:
    for table in scorecard.tables:
        head, numbers = [column.name for column in table.head], [column.number for column in table.head]
        print_table(OUT, head, table.rows, table.title, table.said, numbers)
    for sentence in (scorecard.headline, *scorecard.verdict):
        OUT.print(harmless(sentence), markup=False, soft_wrap=True)
    OUT.print(f"report: {scorecard.report}", markup=False, soft_wrap=True)
