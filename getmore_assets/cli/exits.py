"""How a command ends that is refused, fails or is interrupted by Ctrl-C: message and exit code.

Belongs here: refusals and failures as the terminal shows them. Does not: what a verb does (`execution.py`).
"""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from getmore_assets.cli.live import STAGES
from getmore_assets.cli.terminal import harmless
from getmore_assets.errors import BadInput, redacted

REFUSED, FAILED, INTERRUPTED = 2, 1, 130
_MEND = "Where the lake may be damaged: getmore doctor --deep TASK.yaml finds it, getmore repair TASK.yaml heals it"

_INTERRUPTED = "interrupted"


class StoreLostError(RuntimeError):
    """Dagster's store could not be written to while a job ran."""


@contextmanager
def refusals(as_json: bool) -> Iterator[None]:
    """End with exit code 2 on a refusal and with 1 on a lost store, each with its message."""
    try:
        yield
    except BadInput as error:
        _end(f"refused: {error}", str(error), REFUSED, as_json)
    except StoreLostError as error:
        _end(str(error), str(error), FAILED, as_json)


def end_on_failure(events: list[Any], as_json: bool) -> None:
    """If a step failed, print why and end: exit code 2 if its input was refused, else 1."""
    failed = [(event.step_key, *_cause(event)) for event in events if event.is_step_failure]
    if not failed:
        return
    if any(message == _INTERRUPTED for _, message, _ in failed):
        raise KeyboardInterrupt
    said = [f"{stage} failed: {message}" for stage, message, _ in failed]
    short = [f"{stage}: {message}" for stage, message, _ in failed]
    code = REFUSED if all(refused for _, _, refused in failed) else FAILED
    if code == FAILED:
        said = [*STAGES.tail, *said, _MEND]
        short.append(_MEND)
    _end("\n".join(said), "; ".join(short), code, as_json)


def _cause(event: Any) -> tuple[str, bool]:
    """The message, and whether it is a refusal."""
    error = event.step_failure_data.error
    cause = error.cause or error
    kind, _, said = cause.message.strip().partition(": ")
    if kind.endswith("DagsterExecutionInterruptedError"):
        return _INTERRUPTED, False
    return said or kind, kind.endswith("BadInput")


def interrupted(arguments: list[str]) -> str:
    """The message on Ctrl-C: the stage that was interrupted and the command to resume."""
    at = f" in {STAGES.now}" if STAGES.now else ""
    return f"interrupted{at}; finished stages are kept. To go on: {shlex.join(['getmore', *arguments])}"


def _end(said: str, message: str, code: int, as_json: bool) -> None:
    click.echo(harmless(redacted(said)), err=True)
    if as_json:
        click.echo(json.dumps({"error": redacted(message)}))
    sys.exit(code)
