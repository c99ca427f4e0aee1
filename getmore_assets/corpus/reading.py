"""The reading of a source: counts of files and rows, and bad rows.

Belongs here: counting, printing the counts, refusing or skipping bad rows by `bad_rows`. Does not: finding bad rows.
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

_MOST_LISTED_FILES = 20  # files left out, with their reasons
_MOST_PRINTED_FILES = 3  # of the files listed


class SourceCounts(Facts):
    """The counts of one source. `Reading` documents the fields of the same name.

    Attributes:
        field: The field of the task file that names the source, as `candidates.0` or `target.train`.
        path: The source's path.
        unchanged_files: `Reading.unchanged`.
        left_out_files: Number of files and folders that were not read.
        left_out: Some of them, each with the reason.
        longer_than_a_passage: `Reading.longer`.
        folded: `Reading.folded`; None before the pool is built.
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
        source: The source.
        format: The format of the files.
        dialect: Properties of the files that file names do not tell: delimiter, the list with the rows.
        files: Number of files read.
        unchanged: Number of files that were not read, because they are unchanged since the last build of the pool.
        left_out: Files and folders under the source's path that are not read, each with the reason.
        rows: Number of valid rows.
        sampled: Number of sampled rows (`sample`); None without sampling.
        skipped: Number of bad rows that were skipped, by reason (`bad_rows: skip`).
        filled: Number of missing values that were filled, by column and reason.
        cut: Number of rows that were cut into several passages.
        longer: Number of rows that are longer than a passage and were kept whole.
        folded: Number of rows or passages with the text of an earlier row or passage.
        kinds: The type of the first label, by column.
        gathered: Whether the path is a folder or a glob.
        cuts: Whether rows are cut into passages; rows of messages must not be cut.
        not_text: Number of parts of messages that are no text (images, audio).
        other_branches: Number of messages on branches of message trees that are not read.
        beside: Number of objects in other lists of JSON files, which are not read, by the lists' keys.
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
        """Count a bad row as skipped, or refuse it.

        Raises:
            BadInput: `bad_rows` is `error`.
        """
        if self.source.bad_rows == "error":
            raise BadInput(where, what, fix)
        self.skipped[what.split(" (", maxsplit=1)[0]] += 1  # without the library's message, which is in brackets

    def counts(self, field: str) -> SourceCounts:
        """Return the counts of the source.

        Args:
            field: The field of the task file that names the source, as `candidates.0` or `target.train`.
        """
        return SourceCounts(
            field=field,
            path=self.source.path,
            format=self.format,
            dialect=self.dialect,
            files=self.files,
            unchanged_files=self.unchanged,
            left_out_files=len(self.left_out),
            left_out=dict(sorted(self.left_out.items())[:_MOST_LISTED_FILES]),
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


def counts_in(records: "dict[str, Record]") -> list[SourceCounts]:
    """Return the counts of each source in records by stage; records of the first versions have none."""
    sources = [counts for name in ("raw_corpus", "target_data") for counts in records[name].facts.get("sources", [])]
    return [SourceCounts.model_validate(counts) for counts in sources]


def summary(counts: SourceCounts) -> str:
    """Return the counts of a source as one line."""
    files = f"{_plural(counts.files, 'file')}, " if counts.files else ""
    rows = f"{counts.field}: {counts.path} ({counts.format}): {files}{_plural(counts.rows, 'row')}"
    return "; ".join([rows, *remarks(counts)])


def remarks(counts: SourceCounts) -> list[str]:
    """Return phrases for all counts other than files and rows; none if every file and row was read as it is."""
    phrases = [counts.dialect] if counts.dialect else []
    if counts.unchanged_files:
        phrases.append(f"{_plural(counts.unchanged_files, 'file')} as before, not read again")
    if counts.left_out_files:
        first = "; ".join(f"{file}: {why}" for file, why in list(counts.left_out.items())[:_MOST_PRINTED_FILES])
        more = "; …" if counts.left_out_files > _MOST_PRINTED_FILES else ""
        left_out = _plural(counts.left_out_files, "file or folder", "files or folders")
        phrases.append(f"{left_out} left out ({first}{more})")
    if counts.sampled is not None:
        phrases.append(f"{_plural(counts.sampled, 'row')} sampled")
    phrases += [f"{_plural(rows, 'row')} skipped: {why}" for why, rows in counts.skipped.items()]
    phrases += [f"{_plural(rows, 'row')} filled: {why}" for why, rows in counts.filled.items()]
    if counts.cut:
        phrases.append(f"{_plural(counts.cut, 'row')} cut into passages")
    if counts.longer_than_a_passage:
        phrases.append(f"{_plural(counts.longer_than_a_passage, 'row')} longer than a passage, kept whole")
    if counts.folded:
        phrases.append(f"{_plural(counts.folded, 'duplicate')} folded")
    if counts.not_text:
        phrases.append(f"{_plural(counts.not_text, 'part')} of messages not text")
    if counts.other_branches:
        phrases.append(f"{_plural(counts.other_branches, 'message')} on earlier branches of conversations not read")
    phrases += [f"{_plural(count, 'object')} in `{keys}` not read" for keys, count in counts.beside.items()]
    return phrases


def _plural(count: int, noun: str, plural: str | None = None) -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
