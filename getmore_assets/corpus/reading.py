"""One reading of a source: what is done about a bad row, and what became of files and rows.

Belongs here: counting, saying the counts, and refusing or skipping by the source's `bad_rows`. Does not: finding what
is bad.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import Field

from getmore_assets.config import Source
from getmore_assets.errors import BadInput
from getmore_assets.facts import Facts

if TYPE_CHECKING:
    from getmore_assets.records import Record

Row = dict[str, Any]
"""A row of a user's file, by column."""

_MOST_NAMED = 20  # files left out, each with its reason; the others are counted
_MOST_SAID = 3  # of these, in words


class SourceCounts(Facts):
    """What came of one source.

    Attributes:
        field: Of the task file, that names the source, as `candidates.0` or `target.train`.
        path: Of the source.
        format: The format it was read as.
        dialect: What was found of a file of delimited text that its name does not tell.
        files: How many files were read.
        unchanged_files: Files that were as they were when they were last read, and were not read again.
        left_out_files: How many files and folders were not read.
        left_out: Some of them, each with the reason.
        rows: Rows that were read and are good.
        sampled: Rows that were drawn of them; None where all are taken.
        skipped: Rows that were not, by reason.
        filled: Rows without a value where another stands in, by column and reason.
        cut: Rows that were cut into several passages.
        longer_than_a_passage: Rows that are longer than a passage and are kept whole.
        folded: Rows or passages whose text another one has; None before the pool is made.
        not_text: Parts of messages that are no text.
        other_branches: Messages of trees of messages that are not on the branch that is read.
        beside: Objects in other lists of files that are one object, by the lists' keys.
    """

    field: str
    path: str
    format: str
    dialect: str = ""
    files: int
    unchanged_files: int = 0
    left_out_files: int = 0
    left_out: dict[str, str] = Field(default_factory=dict)
    rows: int
    sampled: int | None = None
    skipped: dict[str, int] = Field(default_factory=dict)
    filled: dict[str, int] = Field(default_factory=dict)
    cut: int = 0
    longer_than_a_passage: int = 0
    folded: int | None = 0
    not_text: int = 0
    other_branches: int = 0
    beside: dict[str, int] = Field(default_factory=dict)


@dataclass
class Reading:
    """A source while it is read.

    Attributes:
        source: What is read.
        format: The format it was read as.
        dialect: What was found of a file of delimited text, or of one value of JSON, that its name does not tell.
        files: How many files were read.
        unchanged: Files that were read for the pool before, are as they were, and were not read again.
        left_out: Files and folders under the source's path that were not read, each with the reason.
        rows: Rows that were read and are good.
        sampled: Rows that were drawn of them (`sample`); None where all are taken.
        skipped: Rows that were not, by reason (`bad_rows: skip`).
        filled: Rows without a value where another stands in, by column and reason.
        cut: Rows that were cut into several passages.
        longer: Rows that are longer than a passage and are kept whole.
        folded: Rows or passages whose text another one has.
        kinds: What the first label that was met holds, by column.
        gathered: Whether its files were found by a folder or a glob, and so belong together.
        cuts: Whether rows are cut into passages, which those of messages must not be.
        not_text: Parts of messages that are no text (images, audio) and so are in no text.
        other_branches: Messages of trees of messages that are not on the branch that is read.
        beside: Objects in other lists of files that are one object, by the lists' keys.
    """

    source: Source
    format: str = ""
    dialect: str = ""
    files: int = 0
    unchanged: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    sampled: int | None = None
    skipped: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    longer: int = 0
    folded: int = 0
    kinds: dict[str, str] = field(default_factory=dict)
    gathered: bool = False
    cuts: bool = False
    not_text: int = 0
    other_branches: int = 0
    beside: Counter[str] = field(default_factory=Counter)

    def bad(self, where: str, what: str, fix: str = "Mend the row, or set `bad_rows: skip` on this source") -> None:
        """Count a bad row by its reason, or refuse it.

        Raises:
            BadInput: `bad_rows` is `error`.
        """
        if self.source.bad_rows == "error":
            raise BadInput(where, what, fix)
        self.skipped[what.split(" (", maxsplit=1)[0]] += 1  # what a library says of one row is in brackets

    def counts(self, field: str) -> SourceCounts:
        """Return the counts of the source.

        Args:
            field: Of the task file, that names the source, as `candidates.0` or `target.train`.
        """
        named = dict(sorted(self.left_out.items())[:_MOST_NAMED])
        return SourceCounts(
            field=field,
            path=self.source.path,
            format=self.format,
            dialect=self.dialect,
            files=self.files,
            unchanged_files=self.unchanged,
            left_out_files=len(self.left_out),
            left_out=named,
            rows=self.rows,
            sampled=self.sampled,
            skipped=dict(self.skipped),
            filled=dict(self.filled),
            cut=self.cut,
            longer_than_a_passage=self.longer,
            folded=self.folded,
            not_text=self.not_text,
            other_branches=self.other_branches,
            beside=dict(self.beside),
        )


def counts_in(made: "dict[str, Record]") -> list[SourceCounts]:
    """Return the counts of each source that records by stage hold; those of the first versions hold none."""
    told = (one for name in ("raw_corpus", "target_data") for one in made[name].facts.get("sources", []))
    return [SourceCounts.model_validate(one) for one in told]


def summary(told: SourceCounts) -> str:
    """Return files and rows of a source and all remarks, on one line; `told` of `Reading.counts`."""
    files = f"{_of(told.files, 'file')}, " if told.files else ""
    rows = f"{told.field}: {told.path} ({told.format}): {files}{_of(told.rows, 'row')}"
    return "; ".join([rows, *remarks(told)])


def remarks(told: SourceCounts) -> list[str]:
    """Return what is to say of a source beyond its files and rows, in words; nothing where all was taken as it is.

    Args:
        told: Of `Reading.counts`. `folded` is None before the pool is made.
    """
    said = [told.dialect] if told.dialect else []
    if told.unchanged_files:
        said.append(f"{_of(told.unchanged_files, 'file')} as before, not read again")
    if told.left_out_files:
        some = "; ".join(f"{file}: {why}" for file, why in list(told.left_out.items())[:_MOST_SAID])
        more = "; …" if told.left_out_files > _MOST_SAID else ""
        said.append(f"{_of(told.left_out_files, 'file or folder', 'files or folders')} left out ({some}{more})")
    if told.sampled is not None:
        said.append(f"{_of(told.sampled, 'row')} sampled")
    said += [f"{_of(rows, 'row')} skipped: {why}" for why, rows in told.skipped.items()]
    said += [f"{_of(rows, 'row')} filled: {why}" for why, rows in told.filled.items()]
    if told.cut:
        said.append(f"{_of(told.cut, 'row')} cut into passages")
    if told.longer_than_a_passage:
        said.append(f"{_of(told.longer_than_a_passage, 'row')} longer than a passage, kept whole")
    if told.folded:
        said.append(f"{_of(told.folded, 'duplicate')} folded")
    if told.not_text:
        said.append(f"{_of(told.not_text, 'part')} of messages not text")
    if told.other_branches:
        said.append(f"{_of(told.other_branches, 'message')} on earlier branches of conversations not read")
    said += [f"{_of(count, 'object')} in `{keys}` not read" for keys, count in told.beside.items()]
    return said


def _of(count: int, noun: str, plural: str | None = None) -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
