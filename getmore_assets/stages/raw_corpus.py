"""`raw_corpus`: the candidate pool."""

from typing import Any

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import pool
from getmore_assets.corpus.identity import content_id
from getmore_assets.stages.checks import Checked, Finding, check
from getmore_assets.stages.columns import DOMAIN, ID, ORIGIN, SOURCE, TEXT, WORDS, Column
from getmore_assets.stages.job import Job, StageResult
from getmore_assets.stages.shared_checks import is_current, volume_is_usual
from getmore_assets.stages.stage import Stage

_READ_AGAIN = 2000  # texts


def _settings(task: Task) -> Any:
    return [pool.pool_key(task), pool.source_version(task)]


def _build(job: Job) -> StageResult:
    table, data_version, facts = pool.build(job.task, job.lake, job.commit)
    return StageResult(facts.rows, facts.model_dump(), table, data_version=data_version)


@check(blocking=True)
def ids_are_unique(of: Checked) -> Finding:
    """Every content id stands once in the pool."""
    task, record = of.task, of.record
    ids = pool.scan_pool(record.table_ref(), pool.pool_key(task)).group_by("id").len()
    repeated = ids.filter(pl.col("len") > 1).sort("id").collect()
    return Finding(
        passed=record.rows > 0 and not repeated.height,
        metadata={"rows": record.rows, "repeated": repeated.height, "first": repeated["id"].head(20).to_list()},
    )


@check(
    blocking=True,
    description=f"Texts are those that their ids were made from, in the {_READ_AGAIN:,} rows with the smallest ids.",
)
def texts_are_their_ids(of: Checked) -> Finding:
    """Makes the ids again; the smallest, because they are a random sample and the same one each time."""
    task, record = of.task, of.record
    rows = pool.scan_pool(record.table_ref(), pool.pool_key(task))
    last = rows.select("id").bottom_k(_READ_AGAIN, by="id").max().collect().item()
    read = rows.filter(pl.col("id") <= last).select("id", "text").collect()  # a join would hold every text in memory
    wrong = sorted(id_ for id_, text in read.iter_rows() if content_id(text) != id_)
    return Finding(
        passed=read.height > 0 and not wrong,
        metadata={"read": read.height, "wrong": len(wrong), "first": wrong[:20]},
    )


STAGE = Stage(
    name="raw_corpus",
    description="The candidate pool: every source cleaned and cut into passages, one row per content id, with near- "
    "duplicates and held-out general text marked. Only new rows are written; tasks with the same "
    "sources share them.",
    group="inputs",
    kinds=frozenset({"deltalake", "polars"}),
    code_version="4",
    settings=_settings,
    make=_build,
    shared=True,
    one_at_a_time=True,
    columns={
        "pool": Column(pl.String, "names the pool: a hash of its sources and of how they are cleaned"),
        "id": ID.of("candidates.text"),
        "text": TEXT.of("candidates.text"),
        "source": SOURCE.of("candidates.source"),
        "domain": DOMAIN.of("candidates.domain"),
        "n_tokens": WORDS.of("candidates.text"),
        "duplicate_of": Column(
            pl.String,
            "the id of the earlier row that this one nearly copies; null where it is no copy",
            ("candidates.text",),
        ),
        "held_out": Column(
            pl.Boolean, "kept as general text to measure forgetting on, and never selected", ("candidates.text",)
        ),
        "origin": ORIGIN,
        "shingles": Column(
            pl.Binary,
            "hashes of the text's runs of three tokens, by which near-duplicates are found",
            ("candidates.text",),
        ),
    },
    checks=(
        ids_are_unique,
        texts_are_their_ids,
        volume_is_usual("the_pools_volume_is_usual"),
        is_current("the_pool_is_current", _settings),
    ),
)
