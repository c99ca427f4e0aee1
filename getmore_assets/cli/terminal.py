"""Printing to a terminal, a pipe or a file.

Belongs here: the consoles of stdout and stderr, tables that fit them, and removing control characters. Does not:
progress (`live.py`). Colours are printed on terminals only, and not if `NO_COLOR` is set.
"""

import re
import sys
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 100  # characters, in a pipe or a file
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BORDERS = 3  # characters of border and padding per column


def _console(stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, width=None if terminal else _PIPE_WIDTH)


OUT, ERR = _console(stderr=False), _console(stderr=True)


def harmless(text: str) -> str:
    """Return a text without control characters, which could colour, move or hide text on a terminal."""
    return _CONTROL.sub("�", text)


def cell(text: object) -> Text:
    """Return a table cell whose square brackets are not interpreted as markup."""
    return Text(harmless(str(text)))


def print_table(
    out: Console,
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    title: str = "",
    caption: str = "",
    numbers: Sequence[bool] = (),
) -> None:
    """Print a table; if its columns do not fit the console, print several tables with the same first column.

    Args:
        out: The console.
        head: The columns' names.
        rows: The cells of each row; `Text` keeps its style.
        title: Above the table.
        caption: Below the table.
        numbers: Which columns are aligned to the right.
    """
    cells = [[value if isinstance(value, Text) else cell(value) for value in row] for row in rows]
    parts = list(_column_groups(head, cells, out.width))
    if title:
        out.print(cell(title), style="italic")
    for columns in parts:
        table = Table()
        for column in columns:
            right = column < len(numbers) and numbers[column]
            table.add_column(cell(head[column]), justify="right" if right else "left", overflow="fold")
        for row in cells:
            table.add_row(*(row[column] for column in columns))
        out.print(table)
    if caption:
        out.print(cell(caption), style="dim")


def _column_groups(head: Sequence[str], rows: Sequence[Sequence[Text]], width: int) -> Iterator[list[int]]:
    """Yield the column numbers of each table. Only cells of long columns are broken over several lines."""
    widths = [max(cell_len(text) for text in (name, *(row[at].plain for row in rows))) for at, name in enumerate(head)]
    longest = max(width // 2, 20)  # longer cells are prose, and may be broken
    needs = [min(each, longest) + _BORDERS for each in widths]
    group = [0]
    for column in range(1, len(head)):
        if len(group) > 1 and sum(needs[each] for each in (*group, column)) + 1 > width:
            yield group
            group = [0]
        group.append(column)
    yield group
