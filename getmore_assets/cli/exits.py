"""Message and exit code of a command that is refused, fails or is interrupted.

Belongs here: printing errors and exiting. Does not: running a command (`execution.py`).
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
_MEND = "If the lake may be damaged: getmore doctor --deep TASK.yaml lists damage, getmore repair TASK.yaml repairs it"

_INTERRUPTED = "interrupted"


class StoreLostError(RuntimeError):
    """Raised if Dagster's store cannot be written to while a job runs."""


@contextmanager
def refusals(as_json: bool) -> Iterator[None]:
    """Exit with code 2 on `BadInput`, and with code 1 on `StoreLostError`, after printing the message."""
    try:
        yield
    except BadInput as error:
        _end(f"refused: {error}", str(error), REFUSED, as_json)
    except StoreLostError as error:
        _end(str(error), str(error), FAILED, as_json)


def end_on_failure(events: list[Any], as_json: bool) -> None:
    """If a step failed, print why and exit: with code 2 if its input was refused, else 1."""
    failed = [(event.step_key, *_cause(event)) for event in events if event.is_step_failure]
    if not failed:
        return
    if any(message == _INTERRUPTED for _, message, _ in failed):
        raise KeyboardInterrupt
    lines = [f"{stage} failed: {message}" for stage, message, _ in failed]
    short = [f"{stage}: {message}" for stage, message, _ in failed]
    code = REFUSED if all(refused for _, _, refused in failed) else FAILED
    if code == FAILED:
        lines = [*STAGES.tail, *lines, _MEND]
        short.append(_MEND)
    _end("\n".join(lines), "; ".join(short), code, as_json)


def _cause(event: Any) -> tuple[str, bool]:
    """Return the error message of a failed step, and whether it is a `BadInput`."""
    error = event.step_failure_data.error
    cause = error.cause or error
    kind, _, message = cause.message.strip().partition(": ")
    if kind.endswith("DagsterExecutionInterruptedError"):
        return _INTERRUPTED, False
    return message or kind, kind.endswith("BadInput")


def interrupted(arguments: list[str]) -> str:
    """Return the message on Ctrl-C: the interrupted stage and the command to resume."""
    stage = f" in {STAGES.now}" if STAGES.now else ""
    return f"interrupted{stage}; finished stages are kept. To go on: {shlex.join(['getmore', *arguments])}"


def _end(text: str, error: str, code: int, as_json: bool) -> None:
    click.echo(harmless(redacted(text)), err=True)
    if as_json:
        click.echo(json.dumps({"error": redacted(error)}))
    sys.exit(code)
