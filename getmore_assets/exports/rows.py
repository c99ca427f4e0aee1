"""The rows of an export.

Belongs here: the selected rows, as texts or as whole rows of their sources, and all candidates with scores. Does not:
writing rows (`formats.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import payloads, pool
from getmore_assets.corpus.payloads import Payload
from getmore_assets.corpus.shapes import Shape, shape_of
from getmore_assets.facts import SelectionFacts
from getmore_assets.records import Record

_TEXTS = Shape("text", {"text": "text"})


@dataclass(frozen=True)
class Part:
    """Rows of one shape, in order of rank: the contents of one file.

    Attributes:
        name: Name of the file, without suffix.
        shape: Shape of the rows.
        frame: Rows of text with the columns of the selection; None for whole rows.
        whole: Whole rows, unchanged from their source.
    """

    name: str
    shape: Shape
    frame: pl.DataFrame | None = None
    whole: list[Payload] = field(default_factory=list)


def parts(selection: Record) -> list[Part]:
    """Return the selected rows by shape: whole rows unchanged from their sources, other rows as texts."""
    rows, task = selected(selection), Task.model_validate(selection.settings)
    if not pool.keeps_whole_rows(task):
        return [Part("selected", _TEXTS, rows)]
    stored = pool.scan_pool(selection.input_table("raw_corpus"), pool.pool_key(task))
    stored = pool.with_ids(stored.select("id", "candidate", *payloads.SCHEMA), rows["id"])
    joined = rows.join(stored.collect(), on="id", how="left", maintain_order="left")
    texts = joined.filter(pl.col("payload").is_null()).select(rows.columns)
    unnamed = [Part("", _TEXTS, texts)] if texts.height else []
    unnamed += _whole(task, joined.filter(pl.col("payload").is_not_null()))
    return [replace(part, name=name) for name, part in zip(_names(unnamed), unnamed, strict=True)]


def _whole(task: Task, rows: pl.DataFrame) -> Iterator[Part]:
    """Yield whole rows by shape and columns (lines of JSON: by shape only), in the order of their sources."""
    shapes = {
        number: shape_of(task.candidates[number].texts, [row.value() for row in payloads.of_columns(of_source)])
        for (number,), of_source in sorted(rows.partition_by("candidate", as_dict=True).items())
    }
    groups: dict[tuple[str, tuple[str, ...] | None], list[Payload]] = {}
    first: dict[tuple[str, tuple[str, ...] | None], int] = {}
    for number, row in zip(rows["candidate"], payloads.of_columns(rows), strict=True):
        key = (str(shapes[number]), row.columns())
        groups.setdefault(key, []).append(row)
        first[key] = min(number, first.get(key, number))
    for key in sorted(groups, key=lambda key: (first[key], key[1] or ())):
        yield Part("", shapes[first[key]], whole=groups[key])


def _names(parts: list[Part]) -> Iterator[str]:
    """Yield the name of each part: `selected`; with the shape's name if there are several parts."""
    seen: dict[str, int] = {}
    for part in parts:
        number = seen[part.shape.name] = seen.get(part.shape.name, 0) + 1
        name = f"selected-{part.shape.name}" if len(parts) > 1 else "selected"
        yield f"{name}-{number}" if number > 1 else name


def selected(selection: Record) -> pl.DataFrame:
    """Return the selected rows in order of rank: id, text, score, rank, domain, source."""
    rows = selection.table_ref().of_target(selection.task).sort("rank")
    return rows.select("id", "text", "score", "rank", "domain", "source").collect()


def all_candidates(selection: Record) -> Part:
    """Return all candidates with their scores, as one file."""
    return Part("candidates", _TEXTS, candidates(selection))


def candidates(selection: Record) -> pl.DataFrame:
    """Return all candidates in order of rank: id, score, rank, selected, domain, source, origin (file and row).

    The texts are in the table `raw_corpus`, and in the files that `origin` names. In an imported selection, rows that
    the other tool did not name have no score and no rank.
    """
    ledger = SelectionFacts.of(selection).fates(selection.task).filter(pl.col("decision") != "excluded")
    key = pool.pool_key(Task.model_validate(selection.settings))
    stored = pool.scan_pool(selection.input_table("raw_corpus"), key).select("id", "domain", "source", "origin")
    rows = ledger.join(stored, on="id", how="left").sort("rank", "id", nulls_last=True)
    return rows.select(
        "id", "score", "rank", (pl.col("decision") == "selected").alias("selected"), "domain", "source", "origin"
    ).collect()
