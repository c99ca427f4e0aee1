"""One reading of a source: what is done about a bad row, and what became of files and rows.

Belongs here: counting, and refusing or skipping by the source's `bad_rows`. Does not: finding what is bad.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from getmore_assets.config import Source
from getmore_assets.errors import BadInput

_MOST_NAMED = 20  # files left out, each with its reason; the others are counted


@dataclass
class Reading:
    """A source while it is read.

    Attributes:
        source: What is read.
        format: The format it was read as.
        files: How many files were read.
        left_out: Files under the source's path that were not read, each with the reason.
        dialects: How delimited files were read, each with the number of files.
        rows: Rows that were given on.
        skipped: Rows that were not, by reason (`bad_rows: skip`).
        filled: Rows without a value where another stands in, by column and reason.
        cut: Rows that were cut into several passages.
        folded: Rows or passages whose text another one has.
        kinds: What the first label that was met holds, by column.
        cuts: Whether rows are cut into passages, which those of messages must not be.
        not_text: Parts of messages that are no text (images, audio) and so are in no text.
    """

    source: Source
    format: str = ""
    files: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    dialects: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    folded: int = 0
    kinds: dict[str, str] = field(default_factory=dict)
    cuts: bool = False
    not_text: int = 0

    def bad(self, where: str, what: str, fix: str = "Mend the row, or set `bad_rows: skip` on this source") -> None:
        """Count a bad row by its reason, or refuse it.

        Raises:
            BadInput: `bad_rows` is `error`.
        """
        if self.source.bad_rows == "error":
            raise BadInput(where, what, fix)
        self.skipped[what.split(" (", maxsplit=1)[0]] += 1  # what a library says of one row is in brackets

    def as_json(self) -> dict[str, Any]:
        """What became of the source, JSON-like; counts of nothing are left out."""
        named = dict(list(self.left_out.items())[:_MOST_NAMED])
        return {
            "path": self.source.path,
            "format": self.format,
            "files": self.files,
            "rows": self.rows,
            "left_out": named,
            "left_out_files": len(self.left_out),
            "dialects": dict(self.dialects),
            "skipped": dict(self.skipped),
            "filled": dict(self.filled),
            "cut": self.cut,
            "folded": self.folded,
            "not_text": self.not_text,
        }
