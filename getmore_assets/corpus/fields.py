"""From a batch as a format gives it to the fields of our rows, every value proved to have its column's meaning.

Belongs here: which column becomes which field, and what a row is refused or skipped for. Does not: what a meaning is
(`meanings.py`), or reading (`formats.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from getmore_assets.config import Source
from getmore_assets.corpus import meanings, payloads
from getmore_assets.corpus.formats import plain_name
from getmore_assets.corpus.passages import PAIR
from getmore_assets.corpus.reading import Reading
from getmore_assets.corpus.rendering import NotTextError, Rendered, could_be_messages, render
from getmore_assets.errors import BadInput

SCHEMA = {"text": pl.String, "source": pl.String, "domain": pl.String, "label": pl.String, "origin": pl.String}
#: Formats whose columns have a type: a column of a wrong one is wrong in every row.
TYPED = ("parquet", "delta", "dataset")


def columns_of(source: Source) -> list[str]:
    """The columns that a source's fields are read from."""
    return [c for c in (*source.texts, source.source, source.domain, source.label, source.vector) if c]


def origins(file: str, start: int, batch: pl.DataFrame) -> pl.Series:
    """Where the rows of a batch stand: `file:row`."""
    numbers = batch["#row"] if "#row" in batch.columns else pl.Series(np.arange(start, start + batch.height))
    return (f"{file}:" + numbers.cast(pl.Int64).cast(pl.String)).alias("origin")


def take(reading: Reading, file: str, start: int, batch: pl.DataFrame) -> pl.DataFrame:
    """The fields of rows under our names.

    Args:
        reading: Told what rows are skipped for.
        file: Where the batch lies.
        start: The number of its first row there.
        batch: The columns of `columns_of`, and `#row` where rows and lines differ.

    Returns:
        The rows with all their meanings: the columns of `SCHEMA`, vector where asked for, and those of
        `payloads.SCHEMA` where rows are kept whole.

    Raises:
        BadInput: A column is missing or cannot have its meaning; a row has not, and `bad_rows` is `error`.
    """
    source, batch_of = reading.source, _Batch(reading, file, batch)
    name = plain_name(Path(file))
    # A table is a collection, and a text file one document: its folder is the collection.
    documents = reading.gathered and reading.format == "text"
    collection = (documents and Path(file).absolute().parent.name) or name
    fields = {
        "text": batch_of.text(),
        "source": batch_of.group(source.source, name),
        "domain": batch_of.group(source.domain, collection),
        "label": batch_of.label(source.label),
        "origin": origins(file, start, batch),
    }
    if source.vector:
        fields["vector"] = batch_of.required(source.vector, meanings.vector)
    if source.whole_rows:
        fields |= {name: batch[payloads.UNPROVED + name] for name in payloads.SCHEMA}
    return batch_of.proved_rows(pl.DataFrame([values.alias(field) for field, values in fields.items()]))


@dataclass
class _Batch:
    """A batch while its columns are proved one after the other."""

    reading: Reading
    file: str
    columns: pl.DataFrame
    reasons: list[pl.Series] = field(default_factory=list)

    def text(self) -> pl.Series:
        """The text of each row: of a column, of a pair of columns, or rendered of messages or a template."""
        source = self.reading.source
        if isinstance(source.text, list):
            return _pair([self.required(column, meanings.text) for column in source.text])
        if source.texts != [source.text] or self._holds_messages(source.text):
            texts = self._rendered(source.text)
        else:
            texts = self.required(source.text, meanings.text)
        if source.longest is not None:
            self._refuse(source.text, _longer(texts, source.longest))
        return texts

    def _holds_messages(self, column: str) -> bool:
        if column not in self.columns.columns:
            return False
        kind = self.columns[column].dtype
        if kind == pl.Object:
            values = self.columns[column].to_list()
            if self.reading.cuts and any(isinstance(value, str) for value in values):
                return False  # among texts, messages are what is wrong with a row
            return any(could_be_messages(value) for value in values)
        return isinstance(kind, pl.Struct) or (isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct))

    def _rendered(self, text: str) -> pl.Series:
        """The text of each row by a template, or of a column of messages; null where a row has none."""
        named = self.reading.source.texts
        if self.reading.cuts and (chat := next((c for c in named if self._holds_messages(c)), None)):
            fix = "Set `whole_rows: true` on this source: each row is one text, and is exported as it stands"
            raise BadInput(self.file, f"column `{chat}` holds messages, which are not cut into passages", fix)
        columns = {column: self._column(column).to_list() for column in named}
        texts, reasons = [], []
        for row in zip(*columns.values(), strict=True):
            try:
                rendered, reason = render(dict(zip(columns, row, strict=True)), text), None
            except NotTextError as error:
                rendered, reason = Rendered(""), str(error)
            texts.append(rendered.text)
            reasons.append(reason)
            self.reading.not_text += rendered.left_out
            self.reading.other_branches += rendered.other_branches
        blank = meanings.text(pl.Series(texts, dtype=pl.String))
        said = pl.lit(" and ".join(f"`{column}`" for column in named) + " ") + blank.reasons
        self.reasons.append(pl.select(pl.coalesce(pl.Series(reasons, dtype=pl.String), said)).to_series())
        return blank.values

    def required(self, column: str, meaning: Callable[[pl.Series], meanings.Proved]) -> pl.Series:
        """Values that every row must have."""
        proved = self._proved(column, meaning)
        self._refuse(column, proved.reasons)
        return proved.values

    def label(self, column: str | None) -> pl.Series:
        """Classes; null without a column. All are of one kind: 1 and 1.0 would be two, 1 and "1" one."""
        if column is None:
            return pl.repeat(None, self.columns.height, dtype=pl.String, eager=True)
        proved, kinds = self._proved(column, meanings.label), meanings.kinds(self.columns[column])
        first = kinds.filter(proved.reasons.is_null()).first()
        met = self.reading.kinds.setdefault(column, str(first)) if first is not None else None
        reasons = proved.reasons
        if met is not None:
            said = pl.format("is {}, where rows before it hold {}", kinds, pl.lit(met))
            reasons = pl.select(pl.coalesce(reasons, pl.when(kinds != met).then(said))).to_series()
        self._refuse(column, reasons)
        return proved.values

    def group(self, column: str | None, name: str) -> pl.Series:
        """Names of groups; `name` stands in where a row has none, but not for one that is no name."""
        if column is None:
            return pl.repeat(name, self.columns.height, dtype=pl.String, eager=True)
        proved = self._proved(column, meanings.domain)
        absent = proved.reasons.is_in(list(meanings.ABSENT)).fill_null(False)
        self._refuse(column, pl.select(pl.when(~absent).then(proved.reasons)).to_series())
        if absent.any():
            self.reading.filled[f"`{column}` is null or blank: the file's name"] += int(absent.sum())
        return proved.values.fill_null(name)

    def proved_rows(self, fields: pl.DataFrame) -> pl.DataFrame:
        """The rows without a reason; the others are refused, or skipped and counted."""
        bad = pl.select(pl.coalesce(self.reasons)).to_series()
        for number in bad.is_not_null().arg_true():
            self.reading.bad(fields["origin"][number], bad[number])
        return fields.filter(bad.is_null()) if bad.null_count() < len(bad) else fields

    def _proved(self, column: str, meaning: Callable[[pl.Series], meanings.Proved]) -> meanings.Proved:
        proved = meaning(self._column(column))
        if not proved.fits and self.reading.format in TYPED:
            what = f"column `{column}` holds {self.columns[column].dtype}, not {meanings.HOLDS[meaning]}"
            raise BadInput(self.file, what, "Name the right column in the task file")
        return proved

    def _column(self, column: str) -> pl.Series:
        if column not in self.columns.columns:
            there = ", ".join(c for c in self.columns.columns if not c.startswith("#"))
            fix = f"Its columns are: {there}. Name the right one in the task file"
            raise BadInput(self.file, f"no column `{column}`", fix)
        return self.columns[column]

    def _refuse(self, column: str, reasons: pl.Series) -> None:
        self.reasons.append(pl.select(pl.lit(f"`{column}` ") + reasons).to_series())


def _pair(texts: list[pl.Series]) -> pl.Series:
    """The text of a pair: both, with a blank line between them and in neither of them."""
    parts = [text.str.strip_chars().str.replace_all(r"\n\s*\n", "\n") for text in texts]
    return pl.select(pl.concat_str(parts, separator=PAIR)).to_series()


def _longer(texts: pl.Series, longest: int) -> pl.Series:
    """Why a row is left out that has more characters than a source allows."""
    said = f"is longer than {longest:,} characters"
    return pl.select(pl.when(texts.str.len_chars() > longest).then(pl.lit(said))).to_series()
