"""The rows that are exported.

Belongs here: the selected rows with their texts, and all candidates with their scores. Does not: how they are written.
"""

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import pool
from getmore_assets.lake import TableRef
from getmore_assets.records import Record


def selected(selection: Record) -> pl.DataFrame:
    """The selected rows in order of rank: id, text, score, rank, domain, source."""
    rows = selection.table_ref().scan().filter(pl.col("target") == selection.task).sort("rank")
    return rows.select("id", "text", "score", "rank", "domain", "source").collect()


def candidates(selection: Record) -> pl.DataFrame:
    """Every candidate in order of rank: id, score, rank, selected, domain, source, origin (its file and row).

    Their texts are in the table `raw_corpus`, and in the files that `origin` names. Where another tool chose, score and
    rank are null for what it did not name.
    """
    ledger = TableRef(**selection.facts["ledger"]).scan()
    judged = ledger.filter((pl.col("target") == selection.task) & (pl.col("decision") != "excluded"))
    key = pool.pool_key(Task.model_validate(selection.settings))
    places = pool.scan_pool(selection.input_table("raw_corpus"), key).select("id", "domain", "source", "origin")
    rows = judged.join(places, on="id", how="left").sort("rank", "id", nulls_last=True)
    return rows.select(
        "id", "score", "rank", (pl.col("decision") == "selected").alias("selected"), "domain", "source", "origin"
    ).collect()
