"""Progress of long work: a bar on a terminal, a line every 30 s in a pipe or a log.

Belongs here: the choice between the two. Does not: counting.
"""

import logging
import os
import sys
from typing import Any

from tqdm import tqdm

#: Environment variables for workers: the level of messages, and the seconds between two lines of progress.
LEVEL, EVERY = "GETMORE_LOG_LEVEL", "GETMORE_LINE_EVERY"
_LINE_EVERY_S = 30
_SILENT_S = 1  # work that ends sooner writes no line
_LINE = "{desc}: {n_fmt} of {total_fmt} {unit}s, {elapsed} gone, {remaining} left{postfix}"


def level() -> int:
    """Return the level of messages that a worker writes."""
    return logging.getLevelNamesMapping().get(os.environ.get(LEVEL, ""), logging.INFO)


class _Lines:
    """A stream that writes each state of a tqdm bar as a line of its own."""

    def __init__(self) -> None:
        self._last = ""

    def write(self, bar: str) -> None:
        line = bar.strip()
        if line and line != self._last:
            sys.stderr.write(f"{line}\n")
            self._last = line

    def flush(self) -> None:
        sys.stderr.flush()


def progress(total: int, what: str, unit: str, done: int = 0) -> Any:
    """Return a tqdm bar to use in a `with`; `update(n)` counts.

    Args:
        total: Number of units.
        what: Name of the work.
        unit: Name of a unit, in the singular.
        done: Number of units that an interrupted process has done.
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
