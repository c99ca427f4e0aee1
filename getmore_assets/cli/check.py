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
from getmore_assets.cli.execution import execute, log_to_terminal, verb
from getmore_assets.cli.exits import FAILED, end_on_failure, refusals
from getmore_assets.cli.terminal import ERR, harmless, print_table
from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.json_models import JsonObject
from getmore_assets.task_files import load_task

_COLOURS = {"passed": "green", "failed": "bold red", "error": "bold red", "warning": "yellow", "skipped": "dim"}
_LONGEST = 160  # characters shown of a value
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class CheckOutcome:
    """The result of one check.

    Attributes:
        stage: The stage that is checked.
        check: Its name.
        blocking: Whether the pipeline stops where it fails; else it warns.
        outcome: passed, failed, warning (failed, and does not block), error (it could not be evaluated) or skipped.
        must_hold: What it checks.
        metadata: What it measured.
    """

    stage: str
    check: str
    blocking: bool
    outcome: str
    must_hold: str
    metadata: JsonObject

    def said(self) -> str:
        """The condition and the measured values, on one line."""
        measured = "; ".join(f"{name}: {_short(value)}" for name, value in self.metadata.items())
        return f"{self.must_hold} Found: {measured}"


@click.command()
@verb
@click.option("--junit", type=click.Path(dir_okay=False), metavar="FILE.xml", help="Write JUnit XML, which CI shows.")
@click.option("--strict", is_flag=True, help="Let warnings fail, too.")
def check(task: str, overrides: tuple[str, ...], as_json: bool, junit: str | None, strict: bool) -> None:
    """Run all checks on existing results (read-only).

    Exit code 1 if a blocking check failed or a check could not be evaluated; with --strict also if one warns.
    """
    if junit:
        Path(junit).unlink(missing_ok=True)  # else CI would show an older one where this is refused
    with refusals(as_json):
        loaded = load_task(task, overrides)
        _require_something(loaded, task)
        log_to_terminal()
        with live.shown():
            events = execute("check", task, overrides, loaded)
    end_on_failure([event for event in events if not _is_verdict(event)], as_json)
    found = _found(events)
    _print(loaded, found)
    if junit:
        _write_junit(Path(junit), loaded.name, found, strict)
    if as_json:
        counts = Counter(one.outcome for one in found)
        checks = [{k: v for k, v in asdict(one).items() if k != "must_hold"} for one in found]
        click.echo(json.dumps({"task": loaded.name, **{o: counts[o] for o in _COLOURS}, "checks": checks}))
    failing = {"failed", "error", *(["warning"] if strict else [])}
    if any(one.outcome in failing for one in found):
        sys.exit(FAILED)


def _require_something(task: Task, path: str) -> None:
    from getmore_assets.lake import Lake
    from getmore_assets.records import STAGE_NAMES, Records

    records = Records(Lake(task.lake), task.name)
    if not any(records.was_materialized(stage) for stage in STAGE_NAMES):
        what = f"there are no results of {task.name} in the lake {task.lake}"
        raise BadInput(path, what, f"Run it first: getmore run {path}")


def _is_verdict(event: Any) -> bool:
    """Whether a step failed because a check failed, not because the check could not run."""
    return bool(event.is_step_failure and event.step_failure_data.user_failure_data)


def _found(events: list[Any]) -> list[CheckOutcome]:
    """The results of all checks, in the order of the stages."""
    from getmore_assets.defs.assets import RAISED
    from getmore_assets.stages.table import CHECKS

    evaluated = {
        evaluation.check_name: evaluation
        for event in events
        if event.event_type_value == "ASSET_CHECK_EVALUATION"
        for evaluation in [event.asset_check_evaluation_data]
    }
    found = []
    for one in CHECKS:
        outcome, metadata = "skipped", {"note": f"{one.stage} has not been made"}
        if one.name in evaluated:
            metadata = {name: value.value for name, value in evaluated[one.name].metadata.items()}
            fails = "error" if RAISED in metadata else "failed" if one.blocking else "warning"
            outcome = "passed" if evaluated[one.name].passed else fails
        found.append(CheckOutcome(one.stage, one.name, one.blocking, outcome, one.description, metadata))
    return found


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _print(task: Task, found: list[CheckOutcome]) -> None:
    from rich.text import Text

    rows = [(one.stage, one.check, Text(one.outcome, _COLOURS[one.outcome])) for one in found]
    print_table(ERR, ("stage", "check", "outcome"), rows, f"{task.name}: checks")
    for one in found:
        if one.outcome not in ("passed", "skipped"):
            ERR.print(f"{one.outcome}: {one.stage}, {one.check}", style=_COLOURS[one.outcome])
            ERR.print(f"  {harmless(one.said())}", markup=False, soft_wrap=True)
    counts = Counter(one.outcome for one in found)
    ERR.print(", ".join(f"{outcome} {counts[outcome]}" for outcome in _COLOURS if counts[outcome]))


def _write_junit(path: Path, task: str, found: list[CheckOutcome], strict: bool) -> None:
    """One suite a stage, one case a check. A warning is a case that passed and says so, unless strict."""
    from junitparser import JUnitXml, TestSuite

    xml = JUnitXml(task)
    for stage in dict.fromkeys(one.stage for one in found):
        suite = TestSuite(stage)
        suite.add_testcases([_case(one, task, strict) for one in found if one.stage == stage])
        xml.add_testsuite(suite)
    xml.update_statistics()
    path.parent.mkdir(parents=True, exist_ok=True)
    xml.write(str(path), pretty=True)


def _case(one: CheckOutcome, task: str, strict: bool) -> Any:
    from junitparser import Error, Failure, Skipped, TestCase

    case, said = TestCase(one.check, classname=f"{task}.{one.stage}"), _NOT_XML.sub("�", one.said())
    message = f"{one.check}: {said}"
    if one.outcome == "error":
        case.result = [Error(message, "error")]
    elif one.outcome == "failed" or (one.outcome == "warning" and strict):
        case.result = [Failure(message, "blocking" if one.blocking else "warning")]
    elif one.outcome == "skipped":
        case.result = [Skipped(str(one.metadata["note"]))]
    elif one.outcome == "warning":
        case.system_out = f"warning: {message}"
    return case
