"""What goes to a terminal, or to the pipe or file in its place.

Belongs here: the two consoles, and text from outside made fit for them. Does not: what is said. Colours are for
terminals (and not where `NO_COLOR` is set); a table in a pipe is as wide as it must be, so that nothing of it is cut.
"""

import re
import sys

from rich.console import Console
from rich.text import Text

_WIDE = 10_000  # columns
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _console(stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, width=None if terminal else _WIDE)


OUT, ERR = _console(stderr=False), _console(stderr=True)


def harmless(text: str) -> str:
    """Text without the control characters that could colour, move or hide what stands on a terminal."""
    return _CONTROL.sub("�", text)


def cell(text: object) -> Text:
    """A cell of a table, word for word: square brackets in a corpus are no markup."""
    return Text(harmless(str(text)))
