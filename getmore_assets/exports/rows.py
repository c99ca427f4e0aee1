"""The rows that are exported.

Belongs here: the selected rows, with their texts or as they are in their sources, and all candidates with scores. Does
not: writing them (`formats.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

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
        whole: Whole rows, as they are in their source.
    """

    name: str
    shape: Shape
    frame: pl.DataFrame | None = None
    whole: list[Payload] = field(default_factory=list)


def parts(selection: Record) -> list[Part]:
    """Return the selected rows by shape: whole rows as they are in their sources, other rows with their texts."""
    rows, task = selected(selection), Task.model_validate(selection.settings)
    if not pool.keeps_whole_rows(task):
        return [Part("selected", _TEXTS, rows)]
    kept = pool.scan_pool(selection.input_table("raw_corpus"), pool.pool_key(task))
    kept = kept.select("id", "candidate", *payloads.SCHEMA).join(rows.lazy().select("id"), on="id", how="semi")
    joined = rows.join(kept.collect(), on="id", how="left", maintain_order="left")
    listed = [Part("", _TEXTS, joined.filter(pl.col("payload").is_null()).select(rows.columns))]
    listed = [one for one in listed if one.frame is not None and one.frame.height]
    listed += _whole(task, joined.filter(pl.col("payload").is_not_null()))
    return [Part(name, one.shape, one.frame, one.whole) for name, one in zip(_names(listed), listed, strict=True)]


def _whole(task: Task, rows: pl.DataFrame) -> Iterator[Part]:
    """Yield whole rows by shape and columns (lines of JSON: by shape only), in the order of their sources."""
    shapes = {
        number: shape_of(task.candidates[number].texts, [one.value() for one in payloads.of_columns(of_source)])
        for (number,), of_source in sorted(rows.partition_by("candidate", as_dict=True).items())
    }
    alike: dict[tuple[str, tuple[str, ...] | None], list[Payload]] = {}
    first: dict[tuple[str, tuple[str, ...] | None], int] = {}
    for number, payload in zip(rows["candidate"], payloads.of_columns(rows), strict=True):
        key = (str(shapes[number]), payload.columns())
        alike.setdefault(key, []).append(payload)
        first[key] = min(number, first.get(key, number))
    for key in sorted(alike, key=lambda key: (first[key], key[1] or ())):
        yield Part("", shapes[first[key]], whole=alike[key])


def _names(found: list[Part]) -> Iterator[str]:
    """Yield the name of each part: `selected`; with the shape's name where there are several parts."""
    seen: dict[str, int] = {}
    for one in found:
        number = seen[one.shape.name] = seen.get(one.shape.name, 0) + 1
        name = f"selected-{one.shape.name}" if len(found) > 1 else "selected"
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

    Their texts are in the table `raw_corpus`, and in the files that `origin` names. For an imported selection, score
    and rank of rows that the other tool did not name are null.
    """
    ledger = SelectionFacts.of(selection).fates(selection.task)
    judged = ledger.filter(pl.col("decision") != "excluded")
    key = pool.pool_key(Task.model_validate(selection.settings))
    places = pool.scan_pool(selection.input_table("raw_corpus"), key).select("id", "domain", "source", "origin")
    rows = judged.join(places, on="id", how="left").sort("rank", "id", nulls_last=True)
    return rows.select(
        "id", "score", "rank", (pl.col("decision") == "selected").alias("selected"), "domain", "source", "origin"
    ).collect()
