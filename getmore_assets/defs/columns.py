"""What the columns of each station's table mean, and how the stations are labelled in the UI.

Belongs here: names, types and meanings, which the definitions show and the checks `<station>_has_its_columns` hold;
tags and owners. Does not: making a table.
"""

import os
from typing import Any

import dagster as dg
import polars as pl

from getmore_assets.reporting import statistics

Kind = pl.DataType | type[pl.DataType]

_ID = (pl.String, "hash of the text: the row's content id, 32 hex digits")
_TARGET = (pl.String, "the target, which is the task's name and the partition")
_TEXT = (pl.String, "the text, in NFC, without control characters")
_DOMAIN = (pl.String, "the domain that the source names, or the file's name")
_SOURCE = (pl.String, "the source that the row names, or the file's name")
_WORDS = (pl.Int32, "words and punctuation marks, which budgets count in")
_ORIGIN = (pl.String, "where the row was read: file:row, and #n for the n-th passage of a row")
_METRIC = (pl.Float64, "a metric on test, on general text, or before fine-tuning; null where it was not measured")

#: Of each station with a table, by column: its type and what it holds.
COLUMNS: dict[str, dict[str, tuple[Kind, str]]] = {
    "raw_corpus": {
        "pool": (pl.String, "names the pool: a hash of its sources and of how they are cleaned"),
        "id": _ID,
        "text": _TEXT,
        "source": _SOURCE,
        "domain": _DOMAIN,
        "n_tokens": _WORDS,
        "duplicate_of": (pl.String, "the id of the earlier row that this one nearly copies; null where it is no copy"),
        "held_out": (pl.Boolean, "kept as general text to measure forgetting on, and never selected"),
        "origin": _ORIGIN,
        "minhash": (pl.Binary, "64 numbers that near-duplicates are found by"),
    },
    "target_data": {
        "target": _TARGET,
        "split": (pl.String, "train, validation, test, general or negative"),
        "row": (pl.Int64, "the place in its split, from 0"),
        "id": _ID,
        "text": _TEXT,
        "label": (pl.String, "the label; null for a language model"),
        "domain": (pl.String, "which part of the target the row is in; the file's name where no column says it"),
        "origin": _ORIGIN,
    },
    "leakage": {
        "target": _TARGET,
        "id": _ID,
        "kind": (pl.String, "exact, near, contained or piece"),
        "split": (pl.String, "validation or test: where what it overlaps stands"),
        "of": (pl.String, "the id of the evaluated row that it overlaps most"),
        "overlap": (pl.Float64, "how much, 0 to 1"),
    },
    "domain_triage": {
        "target": _TARGET,
        "domain": _DOMAIN,
        "nearness": (pl.Int64, "place among the domains, the nearest is 1"),
        "rows": (pl.Int64, "rows of the domain that may be chosen"),
        "sampled": (pl.Int64, "rows that the distance was measured on"),
        "distance": (pl.Float64, "entropic transport cost between sample and target"),
        "error": (pl.Float64, "L1 error of the target marginal that the solve stopped at"),
        "kept": (pl.Boolean, "whether rows of the domain may be chosen"),
    },
    "embeddings": {
        "encoder": (pl.String, "fingerprint of the encoder"),
        "id": _ID,
        "vector": (pl.List(pl.Float32), "of length 1"),
    },
    "ot_potentials": {
        "target": _TARGET,
        "side": (pl.String, "candidate or target"),
        "id": _ID,
        "weight": (pl.Float64, "of the row in its side; a side sums to 1"),
        "potential": (pl.Float64, "f of a candidate, g of a target row"),
        "marginal": (pl.Float64, "of a target row, what the final plan brings to it; null for a candidate"),
    },
    "selected_subset": {
        "target": _TARGET,
        "id": _ID,
        "text": _TEXT,
        "source": _SOURCE,
        "domain": _DOMAIN,
        "method": (pl.String, "the selector that chose it"),
        "budget": (pl.String, "the budget, as it was asked for"),
        "rank": (pl.Int64, "place in the selection, from 1"),
        "n_tokens": _WORDS,
        "score": (pl.Float64, "what it was ranked by: the smallest first"),
        "nearest_target_ids": (pl.List(pl.String), "the rows of target train that are nearest to it"),
    },
    "scorecard": {
        "target": _TARGET,
        "selector": (pl.String, "what chose the rows to warm up on; none is no warm-up"),
        "seed": (pl.Int64, "of the trainings"),
        "selection_hash": (pl.String, "of the rows that were selected; null without a warm-up"),
        "warmup_tokens": (pl.Int64, "tokens of the model that it was warmed up on: the same for every selector"),
        "warmup_rows": (pl.Int64, "rows that these tokens come from"),
        "warmup_seconds": (pl.Float64, "the warm-up took"),
        "finetune_seconds": (pl.Float64, "fine-tuning and evaluation took"),
        "selection_seconds": (pl.Float64, "selecting took, with the vectors and potentials that it needs"),
        **dict.fromkeys(statistics.METRICS, _METRIC),
    },
}

_MAKES = {"table": tuple(COLUMNS), "model": ("base_model", "warmed_model", "finetuned_model")}
_SHARED = ("raw_corpus", "embeddings")


def described(station: str, schema: dict[str, Any]) -> dg.TableSchema:
    """The schema of a station's table with what its columns mean; `schema` is their types by name."""
    meant = COLUMNS.get(station, {})
    columns = [
        dg.TableColumn(n, str(kind), description=meant[n][1] if n in meant else None) for n, kind in schema.items()
    ]
    return dg.TableSchema(columns)


def schema_of(station: str) -> dict[str, Any]:
    """The metadata of a station's definition: what the columns of its table will hold."""
    return {"dagster/column_schema": described(station, {name: kind for name, (kind, _) in COLUMNS[station].items()})}


def tags_of(station: str) -> dict[str, str]:
    """What a station makes, and whether tasks share it."""
    makes = next(kind for kind, stations in _MAKES.items() if station in stations)
    shared = {"getmore/shared_by": "tasks-with-the-same-candidates"} if station in _SHARED else {}
    return {"getmore/makes": makes, **shared}


def owners() -> list[str]:
    """Whom the UI names as owners: `GETMORE_OWNERS`, with commas between `team:NAME` and e-mail addresses."""
    return os.environ.get("GETMORE_OWNERS", "team:getmore").split(",")
