"""Tables as HTML, for notebooks.

Belongs here: escaping cells. Does not: which rows a notebook shows (`selection.py`, `comparison.py`).
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


def table_html(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return an HTML table with escaped cells: a notebook must not render HTML of a corpus."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    cells = ("".join(f"<td>{escape('' if cell is None else str(cell))}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><tr>{head}</tr>{body}</table>"
