"""Columns of the stages' tables: type, meaning and lineage.

Belongs here: the column type, and columns that several stages share. Does not: columns of one stage, which are in the
stage's module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl


@dataclass(frozen=True)
class Column:
    """A column of a stage's table.

    Attributes:
        kind: The Polars type.
        meaning: The description.
        comes_from: The columns that the values are computed from: columns of other stages, such as `raw_corpus.text`,
            and columns that the task's sources name, such as `candidates.text` and `target.label`.
    """

    kind: pl.DataType | type[pl.DataType]
    meaning: str
    comes_from: tuple[str, ...] = ()

    def of(self, *columns: str) -> "Column":
        """Return the column with another `comes_from`."""
        return replace(self, comes_from=columns)


Columns = Mapping[str, Column]

IDS, TEXTS = ("raw_corpus.id", "target_data.id"), ("raw_corpus.text", "target_data.text")

ID = Column(pl.String, "hash of the text: the row's content id, 32 hex digits")
TARGET = Column(pl.String, "the target, which is the task's name and the partition")
TEXT = Column(pl.String, "the text, in NFC, without control characters")
DOMAIN = Column(pl.String, "the domain that the source names, or the file's name")
SOURCE = Column(pl.String, "the source that the row names, or the file's name")
WORDS = Column(pl.Int32, "words and punctuation marks, the unit of budgets")
ORIGIN = Column(pl.String, "where the row was read: file:row, and #n for the n-th passage of a row")
