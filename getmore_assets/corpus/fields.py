"""Converting a batch of a file to rows with our fields, and validating each value.

Belongs here: the column of each field, and refusing or skipping invalid rows. Does not: validating values
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
#: Formats with typed columns: a column of a wrong type is refused once, not row by row.
TYPED = ("parquet", "delta", "dataset")


def columns_of(source: Source) -> list[str]:
    """Return the columns that a source's fields are read from."""
    return [c for c in (*source.texts, source.source, source.domain, source.label, source.vector) if c]


def origins(file: str, start: int, batch: pl.DataFrame) -> pl.Series:
    """Return the origin of each row of a batch: `file:row`."""
    numbers = batch["#row"] if "#row" in batch.columns else pl.Series(np.arange(start, start + batch.height))
    return (f"{file}:" + numbers.cast(pl.Int64).cast(pl.String)).alias("origin")


def take(reading: Reading, file: str, start: int, batch: pl.DataFrame) -> pl.DataFrame:
    """Return the valid rows of a batch with our fields.

    Args:
        reading: Counts the rows that are skipped.
        file: The file of the batch.
        start: The number of the batch's first row.
        batch: The columns of `columns_of`, and `#row` if row numbers are line numbers.

    Returns:
        The columns of `SCHEMA`, `vector` if the source has vectors, and those of `payloads.SCHEMA` if rows are kept
        whole.

    Raises:
        BadInput: A column is missing or of a wrong type; or a row is invalid, and `bad_rows` is `error`.
    """
    source, columns = reading.source, _Batch(reading, file, batch)
    name = plain_name(Path(file))
    # The default domain: the name of a table; for text files, which are documents, the name of their folder.
    documents = reading.gathered and reading.format == "text"
    collection = (documents and Path(file).absolute().parent.name) or name
    fields = {
        "text": columns.text(),
        "source": columns.group(source.source, name),
        "domain": columns.group(source.domain, collection),
        "label": columns.label(source.label),
        "origin": origins(file, start, batch),
    }
    if source.vector:
        fields["vector"] = columns.required(source.vector, meanings.vector)
    if source.whole_rows:
        fields |= {name: batch[payloads.PREFIX + name] for name in payloads.SCHEMA}
    return columns.valid_rows(pl.DataFrame([values.alias(field) for field, values in fields.items()]))


@dataclass
class _Batch:
    """A batch whose columns are validated one after the other; `reasons` says why rows are invalid."""

    reading: Reading
    file: str
    columns: pl.DataFrame
    reasons: list[pl.Series] = field(default_factory=list)

    def text(self) -> pl.Series:
        """Return the text of each row: a column, a pair of columns, or rendered messages or template."""
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
                return False  # a column of texts, in which messages are invalid
            return any(could_be_messages(value) for value in values)
        return isinstance(kind, pl.Struct) or (isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct))

    def _rendered(self, text: str) -> pl.Series:
        """Return the text of each row, rendered from a template or a column of messages; null without text."""
        names = self.reading.source.texts
        if self.reading.cuts and (chat := next((c for c in names if self._holds_messages(c)), None)):
            fix = "Set `whole_rows: true` on this source: each row is one text, and is exported as it stands"
            raise BadInput(self.file, f"column `{chat}` holds messages, which are not cut into passages", fix)
        columns = {column: self._column(column).to_list() for column in names}
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
        validated = meanings.text(pl.Series(texts, dtype=pl.String))
        blank = pl.lit(" and ".join(f"`{column}`" for column in names) + " ") + validated.reasons
        self.reasons.append(pl.select(pl.coalesce(pl.Series(reasons, dtype=pl.String), blank)).to_series())
        return validated.values

    def required(self, column: str, meaning: Callable[[pl.Series], meanings.Validated]) -> pl.Series:
        """Return the values of a column that no row may lack."""
        validated = self._validated(column, meaning)
        self._refuse(column, validated.reasons)
        return validated.values

    def label(self, column: str | None) -> pl.Series:
        """Return the classes, null without a column; all must have one type: 1 and 1.0 would be two classes."""
        if column is None:
            return pl.repeat(None, self.columns.height, dtype=pl.String, eager=True)
        validated, kinds = self._validated(column, meanings.label), meanings.kinds(self.columns[column])
        valid = kinds.filter(validated.reasons.is_null()).first()
        first = self.reading.kinds.setdefault(column, str(valid)) if valid is not None else None
        reasons = validated.reasons
        if first is not None:
            reason = pl.format("is {}, but earlier rows hold {}", kinds, pl.lit(first))
            reasons = pl.select(pl.coalesce(reasons, pl.when(kinds != first).then(reason))).to_series()
        self._refuse(column, reasons)
        return validated.values

    def group(self, column: str | None, name: str) -> pl.Series:
        """Return the names of groups; a null or blank value becomes `name`, and another invalid value is refused."""
        if column is None:
            return pl.repeat(name, self.columns.height, dtype=pl.String, eager=True)
        validated = self._validated(column, meanings.domain)
        absent = validated.reasons.is_in(list(meanings.ABSENT)).fill_null(False)
        self._refuse(column, pl.select(pl.when(~absent).then(validated.reasons)).to_series())
        if absent.any():
            self.reading.filled[f"`{column}` is null or blank: the file's name"] += int(absent.sum())
        return validated.values.fill_null(name)

    def valid_rows(self, fields: pl.DataFrame) -> pl.DataFrame:
        """Return the valid rows; the others are refused, or skipped and counted."""
        bad = pl.select(pl.coalesce(self.reasons)).to_series()
        for number in bad.is_not_null().arg_true():
            self.reading.bad(fields["origin"][number], bad[number])
        return fields.filter(bad.is_null()) if bad.null_count() < len(bad) else fields

    def _validated(self, column: str, meaning: Callable[[pl.Series], meanings.Validated]) -> meanings.Validated:
        validated = meaning(self._column(column))
        if not validated.fits and self.reading.format in TYPED:
            what = f"column `{column}` holds {self.columns[column].dtype}, not {meanings.HOLDS[meaning]}"
            raise BadInput(self.file, what, "Name the right column in the task file")
        return validated

    def _column(self, column: str) -> pl.Series:
        if column not in self.columns.columns:
            names = ", ".join(c for c in self.columns.columns if not c.startswith("#"))
            fix = f"Its columns are: {names}. Name the right one in the task file"
            raise BadInput(self.file, f"no column `{column}`", fix)
        return self.columns[column]

    def _refuse(self, column: str, reasons: pl.Series) -> None:
        self.reasons.append(pl.select(pl.lit(f"`{column}` ") + reasons).to_series())


def _pair(texts: list[pl.Series]) -> pl.Series:
    """Join pairs of texts by a blank line; blank lines within a text are removed."""
    parts = [text.str.strip_chars().str.replace_all(r"\n\s*\n", "\n") for text in texts]
    return pl.select(pl.concat_str(parts, separator=PAIR)).to_series()


def _longer(texts: pl.Series, longest: int) -> pl.Series:
    """Return the reason for each row that is longer than a source allows, null for others."""
    reason = pl.lit(f"is longer than {longest:,} characters")
    return pl.select(pl.when(texts.str.len_chars() > longest).then(reason)).to_series()
