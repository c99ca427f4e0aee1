"""The terminal, or the pipe or file in its place.

Belongs here: the two consoles, tables that fit them, and text from outside made fit for them. Does not: what is said,
or progress (`live.py`). Colours are for terminals (and not where `NO_COLOR` is set).
"""

import re
import sys
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPED = 100  # columns of a table in a pipe or a file
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BORDERS = 3  # columns that each column of a table has beside its cells


def _console(stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, width=None if terminal else _PIPED)


OUT, ERR = _console(stderr=False), _console(stderr=True)


def harmless(text: str) -> str:
    """Text without the control characters that could colour, move or hide what stands on a terminal."""
    return _CONTROL.sub("�", text)


def cell(text: object) -> Text:
    """A cell of a table, word for word: square brackets in a corpus are no markup."""
    return Text(harmless(str(text)))


def print_table(
    out: Console,
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    title: str = "",
    caption: str = "",
    numbers: Sequence[bool] = (),
) -> None:
    """Print a table that fits the console: where its columns do not, as several tables with the same first column.

    Args:
        out: The console.
        head: The columns' names.
        rows: The cells of each row; `Text` keeps its style.
        title: Above the table.
        caption: Below the table.
        numbers: Which columns are aligned to the right.
    """
    shown = [[one if isinstance(one, Text) else cell(one) for one in row] for row in rows]
    parts = list(_that_fit(head, shown, out.width))
    if title:
        out.print(cell(title), style="italic")
    for columns in parts:
        table = Table()
        for column in columns:
            right = column < len(numbers) and numbers[column]
            table.add_column(cell(head[column]), justify="right" if right else "left", overflow="fold")
        for row in shown:
            table.add_row(*(row[column] for column in columns))
        out.print(table)
    if caption:
        out.print(cell(caption), style="dim")


def _that_fit(head: Sequence[str], rows: Sequence[Sequence[Text]], width: int) -> Iterator[list[int]]:
    """The places of the columns of each table. Short columns are never cut; long ones are broken over lines."""
    wide = [max(cell_len(one) for one in (name, *(row[at].plain for row in rows))) for at, name in enumerate(head)]
    longest = max(width // 2, 20)  # what is longer than this is prose, and may be broken
    needs = [min(one, longest) + _BORDERS for one in wide]
    some = [0]
    for column in range(1, len(head)):
        if len(some) > 1 and sum(needs[one] for one in (*some, column)) + 1 > width:
            yield some
            some = [0]
        some.append(column)
    yield some
