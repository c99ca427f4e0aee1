"""Inferring which column of a table is the text, the label, the domain or the source.

Belongs here: inferring roles from the values and the name of a column. Does not: reading (`column_samples.py`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from getmore_assets.drafting.column_samples import Column, NoTextsError, Table
from getmore_assets.errors import BadInput

_TEXT = {"text", "texts", "content", "body", "passage", "sentence", "document", "doc", "abstract", "article", "review"}
_TEXT |= {"comment", "utterance", "prompt", "message", "question", "query", "paragraph", "snippet", "tweet", "post"}
_LABEL = {"label", "labels", "class", "category", "target", "relation", "intent", "sentiment", "topic", "tag", "gold"}
_LABEL |= {"rating", "stars", "kind", "type", "y"}
_DOMAIN = {
    "domain",
    "subset",
    "topic",
    "category",
    "field",
    "genre",
    "subject",
    "section",
    "area",
    "collection",
    "pile",
}
_SOURCE = {"source", "origin", "dataset", "site", "publisher", "journal", "corpus", "provider", "file", "filename"}
_SOURCE |= {"from", "author", "sender", "user", "username"}
_NONE = {"id", "ids", "uid", "uuid", "guid", "key", "url", "uri", "link", "lang", "language", "date", "time", "year"}
_NONE |= {"month", "timestamp", "license", "licence", "hash", "md5", "sha", "split", "fold", "index", "idx", "version"}
_PAIRS = (("1", "2"), ("a", "b"), ("premise", "hypothesis"))  # suffixes of the column names of a pair's two texts
_EVALUATED = {"test", "validation", "valid", "val", "dev"}
_SHORT = 40  # most characters of a label, domain or source
_MOST_LABELS, _MOST_DOMAINS = 50, 100  # most different values, unless the column's name shows its role


@dataclass(frozen=True)
class Role:
    """The column chosen for a role, if any.

    Attributes:
        column: Name of the column; two names for a pair; None if no column has the role.
        why: Reason for the choice.
        others: Other columns that could have the role.
    """

    column: str | list[str] | None
    why: str
    others: tuple[str, ...] = ()


def text_of(table: Table) -> Role:
    """Return the column with the text; for rows of a trainer's shape, the template of their columns.

    Raises:
        NoTextsError: No column holds texts.
    """
    if shape := table.shape:
        others = [c for c in table.columns.values() if c.name not in shape.columns]
        texts = [c for c in others if c.is_text and c.holds == "words"]
        return Role(shape.text, f"rows of the shape {shape.name}", _names(texts))
    columns = [c for c in table.columns.values() if c.is_text and c.holds in ("words", "values")]
    columns = [c for c in columns if c.distinct > 1 or c.rows == 1]  # no column with one value, such as a system prompt
    likely = [c for c in columns if c.holds == "words" and not _called(c, _NONE)] or [
        c for c in columns if _called(c, _TEXT) and not _called(c, _NONE)
    ]
    if not likely:
        columns = list(table.columns.values())
        values = {c.name: "one value in all rows" if c.distinct == 1 < c.rows else c.holds for c in columns}
        listed = "; ".join(f"`{name}` holds {what}" for name, what in values.items()) or "there are none"
        raise NoTextsError(table.data.named, f"no column holds texts: {listed}", "Write texts into a column of strings")
    # A matching name counts for less than a far longer text, such as a review beside a `comment` of three words.
    # Values that repeat are less likely texts: with ten instructions for all rows, the answers are the texts.
    likely.sort(
        key=lambda c: (
            -c.length * c.filled * c.distinct / c.rows * (20 if c.name == "text" else 5 if _called(c, _TEXT) else 1)
        )
    )
    return Role(likely[0].name, _why(likely[0], _TEXT, "the longest text"), _names(likely[1:]))


def pair_of(table: Table) -> Role | None:
    """Return two columns whose names show that they are a pair of texts, or None."""
    texts = [c.name for c in table.columns.values() if c.is_text and c.holds == "words"]
    for text in texts:
        for first, second in _PAIRS:
            other = text.removesuffix(first) + second
            if text.endswith(first) and other in texts:
                return Role([text, other], "a pair by their names", tuple(n for n in texts if n not in (text, other)))
    return None


def label_of(train: Table, others: Iterable[Table], texts: list[str]) -> Role:
    """Return the column with the labels of a target: every split has this column, with no label that train lacks.

    Raises:
        BadInput: The values of a column show that some rows are a test split.
    """
    _refuse_mixed(train)
    labels, candidates = [], []
    for column in _kinds(train, texts):
        named = _called(column, _LABEL)
        most = len(column.values) if named else _MOST_LABELS
        if not 2 <= column.distinct <= min(most, column.rows / (2 if named else 5)) or column.filled < 0.5:
            continue
        if not named and (column.holds == "numbers" or _called(column, _DOMAIN | _SOURCE)):
            continue
        candidates.append(column.name)
        if all(_fits(column, table.columns.get(column.name)) for table in others):
            labels.append(column)
    labels.sort(key=lambda c: (not _called(c, _LABEL), c.distinct))
    if not labels:
        why = "no column with few values"
        if candidates:
            why = f"`{candidates[0]}` is not in every split, or has values there that train lacks"
        return Role(None, why, tuple(candidates))
    return Role(labels[0].name, _why(labels[0], _LABEL, "its values repeat"), _names(labels[1:]))


def is_called_label(column: str) -> bool:
    """Return whether a column's name shows that it holds labels."""
    return bool(_LABEL & set(_words(column)))


def domain_and_source_of(table: Table, texts: list[str]) -> tuple[Role, Role]:
    """Return the columns with the domain and the source of a row, if there are such columns."""
    kinds = [c for c in _kinds(table, texts) if c.filled > 0.5]
    repeated = [c for c in kinds if c.holds != "numbers" and 2 <= c.distinct <= c.rows / 3]
    domain = _first(kinds, _DOMAIN) or _fewest([c for c in repeated if not _called(c, _SOURCE)])
    left = [c for c in kinds if c is not domain]
    source = _first(left, _SOURCE)
    if source is None and domain is not None:
        source = _fewest([c for c in repeated if c in left and c.distinct > domain.distinct], None)
    chosen = (domain, source)
    others = _names(c for c in repeated if c not in chosen)
    return _role(domain, _DOMAIN, others), _role(source, _SOURCE, others)


def _role(column: Column | None, names: set[str], others: tuple[str, ...]) -> Role:
    if column is None:
        return Role(None, "no column of repeated names found, so the file's name is used", others)
    return Role(column.name, _why(column, names, "its values repeat"), others)


def _why(column: Column, names: set[str], otherwise: str) -> str:
    return f"{'matched by name' if _called(column, names) else otherwise}; {column.summary()}"


def _refuse_mixed(train: Table) -> None:
    for column in train.columns.values():
        if "split" in _words(column.name) and _EVALUATED & {value.lower() for value in column.values}:
            what = f"its column `{column.name}` says that some of its rows are for testing"
            raise BadInput(train.data.named, what, "Write each split into a file of its own: train, validation, test")


def _kinds(table: Table, texts: list[str]) -> list[Column]:
    """Return the columns of short values that are no texts, ids or dates."""
    short = (c for c in table.columns.values() if c.holds in ("words", "values", "numbers") and c.length <= _SHORT)
    return [c for c in short if c.name not in texts and not _called(c, _NONE)]


def _fits(of_train: Column, other: Column | None) -> bool:
    return other is not None and other.filled > 0.5 and set(other.values) <= set(of_train.values)


def _first(columns: list[Column], names: set[str]) -> Column | None:
    named = [c for c in columns if _called(c, names) and c.holds != "numbers"]
    return min(named, key=lambda c: c.distinct) if named else None


def _fewest(columns: list[Column], most: int | None = _MOST_DOMAINS) -> Column | None:
    few = [c for c in columns if most is None or c.distinct <= most]
    return min(few, key=lambda c: c.distinct) if few else None


def _called(column: Column, names: set[str]) -> bool:
    return bool(names & set(_words(column.name)))


def _words(name: str) -> list[str]:
    """Return the words of a column's name: `docText` and `doc_text` have two."""
    return re.findall(r"[a-z0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).lower())


def _names(columns: Iterable[Column]) -> tuple[str, ...]:
    return tuple(c.name for c in columns)
