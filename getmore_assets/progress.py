"""How far a long piece of work is: a bar on a terminal, a plain line now and then in a pipe or a log.

Belongs here: the one choice between the two. Does not: what is counted.
"""

import logging
import os
import sys
from typing import Any

from tqdm import tqdm

#: Environment variables that tell workers the level of their messages, and how often (in seconds) a line is written.
LEVEL, EVERY = "GETMORE_LOG_LEVEL", "GETMORE_LINE_EVERY"
_LINE_EVERY_S = 30
_SILENT_S = 1  # what is done sooner needs no line
_LINE = "{desc}: {n_fmt} of {total_fmt} {unit}s, {elapsed} gone, {remaining} left{postfix}"


def level() -> int:
    """The level of messages that a worker writes."""
    return logging.getLevelNamesMapping().get(os.environ.get(LEVEL, ""), logging.INFO)


class _Lines:
    """Takes what a bar draws over and over, and writes each drawing as a line of its own."""

    def __init__(self) -> None:
        self._last = ""

    def write(self, drawn: str) -> None:
        line = drawn.strip()
        if line and line != self._last:
            sys.stderr.write(f"{line}\n")
            self._last = line

    def flush(self) -> None:
        sys.stderr.flush()


def progress(total: int, what: str, unit: str, done: int = 0) -> Any:
    """A tqdm bar that is closed at the end of a `with`; `update(n)` counts.

    Args:
        total: How many there are to do.
        what: Is done.
        unit: Of the count, in the singular.
        done: How many were done before, by a process that was cut off.
    """
    if sys.stderr.isatty():
        return tqdm(total=total, initial=done, desc=what, unit=unit)
    every = float(os.environ.get(EVERY, _LINE_EVERY_S))
    return tqdm(
        total=total,
        initial=done,
        desc=what,
        unit=unit,
        file=_Lines(),
        mininterval=every,
        maxinterval=2 * every,
        delay=_SILENT_S,
        bar_format=_LINE,
    )
