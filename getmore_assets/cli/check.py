"""`getmore check`: run every check on the lake, for people, scripts and CI.

Belongs here: printing and counting the results. Does not: the checks (`stages/`), or running a job (`execution.py`).
"""

import json
import re
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from getmore_assets.cli import live
from getmore_assets.cli.execution import execute, log_to_terminal, task_command
from getmore_assets.cli.exits import FAILED, end_on_failure, refusals
from getmore_assets.cli.terminal import ERR, harmless, print_table
from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.json_models import JsonObject
from getmore_assets.task_parsing import load_task

_COLOURS = {"passed": "green", "failed": "bold red", "error": "bold red", "warning": "yellow", "skipped": "dim"}
_LONGEST = 160  # characters of a value
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class CheckOutcome:
    """The result of one check.

    Attributes:
        stage: The stage.
        check: The name of the check.
        blocking: Whether a failure stops the pipeline; otherwise it is a warning.
        outcome: passed, failed, warning (a failed check that does not block), error (not evaluated) or skipped.
        must_hold: The condition that the check tests.
        metadata: The measured values.
    """

    stage: str
    check: str
    blocking: bool
    outcome: str
    must_hold: str
    metadata: JsonObject

    def summary(self) -> str:
        """Return the condition and the measured values on one line."""
        measured = "; ".join(f"{name}: {_short(value)}" for name, value in self.metadata.items())
        return f"{self.must_hold} Found: {measured}"


@click.command()
@task_command
@click.option("--junit", type=click.Path(dir_okay=False), metavar="FILE.xml", help="Write JUnit XML for CI.")
@click.option("--strict", is_flag=True, help="Count warnings as failures.")
def check(task: str, overrides: tuple[str, ...], as_json: bool, junit: str | None, strict: bool) -> None:
    """Run all checks on existing results (read-only).

    Exit code 1 if a blocking check failed or a check could not be evaluated; with --strict also if a check warns.
    """
    if junit:
        Path(junit).unlink(missing_ok=True)  # CI must not show an old file if this command is refused
    with refusals(as_json):
        loaded = load_task(task, overrides)
        _require_results(loaded, task)
        log_to_terminal()
        with live.shown():
            events = execute("check", task, overrides, loaded)
    end_on_failure([event for event in events if not _is_failed_check(event)], as_json)
    outcomes = _outcomes(events)
    _print(loaded, outcomes)
    if junit:
        _write_junit(Path(junit), loaded.name, outcomes, strict)
    if as_json:
        counts = Counter(each.outcome for each in outcomes)
        checks = [{k: v for k, v in asdict(each).items() if k != "must_hold"} for each in outcomes]
        click.echo(json.dumps({"task": loaded.name, **{o: counts[o] for o in _COLOURS}, "checks": checks}))
    failing = {"failed", "error", *(["warning"] if strict else [])}
    if any(each.outcome in failing for each in outcomes):
        sys.exit(FAILED)


def _require_results(task: Task, path: str) -> None:
    from getmore_assets.lake import Lake
    from getmore_assets.records import STAGE_NAMES, Records

    records = Records(Lake(task.lake), task.name)
    if not any(records.was_materialized(stage) for stage in STAGE_NAMES):
        what = f"there are no results of {task.name} in the lake {task.lake}"
        raise BadInput(path, what, f"Run it first: getmore run {path}")


def _is_failed_check(event: Any) -> bool:
    """Return whether a step failed because a check failed, not because the op raised."""
    return bool(event.is_step_failure and event.step_failure_data.user_failure_data)


def _outcomes(events: list[Any]) -> list[CheckOutcome]:
    """Return the results of all checks, in the order of the stages."""
    from getmore_assets.defs.assets import RAISED
    from getmore_assets.stages.table import CHECKS

    evaluated = {
        evaluation.check_name: evaluation
        for event in events
        if event.event_type_value == "ASSET_CHECK_EVALUATION"
        for evaluation in [event.asset_check_evaluation_data]
    }
    outcomes = []
    for each in CHECKS:
        outcome, metadata = "skipped", {"note": f"{each.stage} has not been materialized"}
        if each.name in evaluated:
            metadata = {name: value.value for name, value in evaluated[each.name].metadata.items()}
            failure = "error" if RAISED in metadata else "failed" if each.blocking else "warning"
            outcome = "passed" if evaluated[each.name].passed else failure
        outcomes.append(CheckOutcome(each.stage, each.name, each.blocking, outcome, each.description, metadata))
    return outcomes


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _print(task: Task, outcomes: list[CheckOutcome]) -> None:
    from rich.text import Text

    rows = [(each.stage, each.check, Text(each.outcome, _COLOURS[each.outcome])) for each in outcomes]
    print_table(ERR, ("stage", "check", "outcome"), rows, f"{task.name}: checks")
    for each in outcomes:
        if each.outcome not in ("passed", "skipped"):
            ERR.print(f"{each.outcome}: {each.stage}, {each.check}", style=_COLOURS[each.outcome])
            ERR.print(f"  {harmless(each.summary())}", markup=False, soft_wrap=True)
    counts = Counter(each.outcome for each in outcomes)
    ERR.print(", ".join(f"{outcome} {counts[outcome]}" for outcome in _COLOURS if counts[outcome]))


def _write_junit(path: Path, task: str, outcomes: list[CheckOutcome], strict: bool) -> None:
    """Write a suite per stage and a case per check; without strict, a warning is a passed case with a message."""
    from junitparser import JUnitXml, TestSuite

    xml = JUnitXml(task)
    for stage in dict.fromkeys(each.stage for each in outcomes):
        suite = TestSuite(stage)
        suite.add_testcases([_case(each, task, strict) for each in outcomes if each.stage == stage])
        xml.add_testsuite(suite)
    xml.update_statistics()
    path.parent.mkdir(parents=True, exist_ok=True)
    xml.write(str(path), pretty=True)


def _case(check: CheckOutcome, task: str, strict: bool) -> Any:
    from junitparser import Error, Failure, Skipped, TestCase

    case = TestCase(check.check, classname=f"{task}.{check.stage}")
    message = f"{check.check}: {_NOT_XML.sub('�', check.summary())}"
    if check.outcome == "error":
        case.result = [Error(message, "error")]
    elif check.outcome == "failed" or (check.outcome == "warning" and strict):
        case.result = [Failure(message, "blocking" if check.blocking else "warning")]
    elif check.outcome == "skipped":
        case.result = [Skipped(str(check.metadata["note"]))]
    elif check.outcome == "warning":
        case.system_out = f"warning: {message}"
    return case
