"""Progress of a command: one line per stage and, on a terminal, a live last line.

Belongs here: log messages by verbosity (`--quiet`, `--verbose`), and the output of workers. Does not: the summary at
the end (`run.py`).
"""

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console

from getmore_assets import progress
from getmore_assets.cli.terminal import ERR, harmless

QUIET, NORMAL, VERBOSE = "quiet", "normal", "verbose"
#: The displayed text of each status.
STATUS = {"materialized": "materialized", "cached": "cached", "kept": "kept (within the drift limit)"}
_TAIL = 30  # the last lines of a failed worker

_meta = f"{__name__}.verbosity"


class Stages:
    """The stage being computed, the last lines of its workers, and the live line."""

    def __init__(self) -> None:
        self.now: str | None = None
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self.console: Console | None = None
        self.status: Any = None

    def show(self, message: str) -> None:
        """Update the live last line of a terminal."""
        if self.status is not None:
            line = f"{self.now}: {message}" if self.now and not message.startswith(f"{self.now}:") else message
            self.status.update(harmless(line)[: max(20, ERR.width - 8)].replace("[", r"\["))

    def say(self, line: str, style: str | None = None) -> None:
        """Print a line; on a terminal, above the live line."""
        if self.console is not None:
            self.console.print(harmless(line), style=style, markup=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{harmless(line)}\n")


STAGES = Stages()


def verbosity_options(command: Any) -> Any:
    """Add the options `--quiet` and `--verbose`."""

    def remember(context: click.Context, option: click.Parameter, given: bool) -> None:
        if given:
            context.meta[_meta] = option.name

    quiet = click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=remember, help="Print warnings and errors only."
    )
    verbose = click.option(
        "-v", "--verbose", is_flag=True, expose_value=False, callback=remember, help="Print every step of the work."
    )
    return quiet(verbose(command))


def verbosity() -> str:
    """Return the verbosity of the running command."""
    context = click.get_current_context(silent=True)
    return str(context.meta.get(_meta, NORMAL)) if context else NORMAL


class Handler(logging.Handler):
    """Prints log messages: warnings always, one line when a stage ends, all others with `--verbose`."""

    def __init__(self) -> None:
        super().__init__()
        self._verbosity = verbosity()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message, or show it on the live line."""
        stage, status = getattr(record, "stage", None), getattr(record, "status", None)
        if stage is not None:
            STAGES.now = stage if status is None else None
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            STAGES.say(message, "yellow" if record.levelno < logging.ERROR else "red")
        elif status is not None and self._verbosity != QUIET:
            STAGES.say(_line(stage, status, record))
        elif self._verbosity == VERBOSE:
            STAGES.say(message)
        else:
            STAGES.show(message)


def _line(stage: str | None, status: str, record: logging.LogRecord) -> str:
    rows, seconds = getattr(record, "rows", 0), getattr(record, "seconds", 0.0)
    took = f"{seconds:,.1f} s" if status == "materialized" else STATUS.get(status, status)
    return f"{stage:<16} {rows:>11,} rows   {took}"


@contextmanager
def shown() -> Iterator[None]:
    """Show the output of workers while a job runs: on the live line of a terminal; elsewhere print warnings only."""
    level = verbosity()
    on_terminal = ERR.is_terminal and level != QUIET
    os.environ[progress.LEVEL] = "INFO" if on_terminal or level == VERBOSE else "WARNING"
    STAGES.tail.clear()
    STAGES.now = None
    if not on_terminal:
        yield
        return
    from getmore_assets import forks  # here, because it loads the lake module

    os.environ[progress.EVERY] = "1"
    reading, writing = os.pipe()
    forks.STDERR = writing
    threading.Thread(target=_follow, args=(reading, level), daemon=True).start()
    # Dagster redirects a step's stderr to a file, so the terminal is opened separately.
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as terminal:
        STAGES.console = Console(file=terminal, highlight=False, force_terminal=True)
        with STAGES.console.status("starting") as STAGES.status:
            try:
                yield
            finally:
                forks.STDERR = STAGES.console = None
        STAGES.status = None


def _follow(reading: int, level: str) -> None:
    """Show the output of workers, line by line."""
    with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            text = line.rstrip()
            STAGES.tail.append(text)
            if level == VERBOSE:
                STAGES.say(text)
            else:
                STAGES.show(text)
