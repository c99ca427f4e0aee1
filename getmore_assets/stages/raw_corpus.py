"""`raw_corpus`: the candidate pool."""

from typing import Any

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import pool
from getmore_assets.corpus.id_order import in_id_order
from getmore_assets.corpus.identity import content_id
from getmore_assets.stages.checks import CheckContext, CheckResult, check
from getmore_assets.stages.columns import DOMAIN, ID, ORIGIN, SOURCE, TEXT, WORDS, Column
from getmore_assets.stages.shared_checks import is_current, volume_is_usual
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext, StageResult

_SAMPLE = 2000  # texts


def _settings(task: Task) -> Any:
    return [pool.pool_key(task), pool.source_version(task)]


def _build(context: StageContext) -> StageResult:
    table, data_version, facts = pool.build(context.task, context.lake, context.commit)
    return StageResult(facts.rows, facts.model_dump(), table, data_version=data_version)


@check(blocking=True)
def ids_are_unique(context: CheckContext) -> CheckResult:
    """Every content id is in the pool once."""
    task, record = context.task, context.record
    ids = pool.scan_pool(record.table_ref(), pool.pool_key(task)).select("id")
    pieces = (piece["id"] for piece in in_id_order(ids, record.rows))
    repeated = pl.concat([piece.filter(piece.is_duplicated()).unique() for piece in pieces])
    return CheckResult(
        passed=record.rows > 0 and not len(repeated),
        metadata={"rows": record.rows, "repeated": len(repeated), "first": repeated.sort().head(20).to_list()},
    )


@check(
    blocking=True,
    description=f"The ids of the {_SAMPLE:,} rows with the smallest ids are the hashes of their texts.",
)
def texts_are_their_ids(context: CheckContext) -> CheckResult:
    """Compute the ids again; the rows with the smallest ids are a random sample, and the same at each evaluation."""
    task, record = context.task, context.record
    rows = pool.scan_pool(record.table_ref(), pool.pool_key(task))
    last = rows.select("id").bottom_k(_SAMPLE, by="id").max().collect().item()
    read = rows.filter(pl.col("id") <= last).select("id", "text").collect()  # a join would hold every text in memory
    wrong = sorted(id_ for id_, text in read.iter_rows() if content_id(text) != id_)
    return CheckResult(
        passed=read.height > 0 and not wrong,
        metadata={"read": read.height, "wrong": len(wrong), "first": wrong[:20]},
    )


STAGE = Stage(
    name="raw_corpus",
    description="The candidate pool: every source cleaned and cut into passages, one row per content id, with "
    "near-duplicates and held-out general text marked. Only new rows are written. Tasks with the same sources share "
    "the rows.",
    group="inputs",
    kinds=frozenset({"deltalake", "polars"}),
    code_version="4",
    settings=_settings,
    compute=_build,
    shared=True,
    one_at_a_time=True,
    columns={
        "pool": Column(pl.String, "the pool: a hash of its sources and of the cleaning settings"),
        "id": ID.of("candidates.text"),
        "text": TEXT.of("candidates.text"),
        "source": SOURCE.of("candidates.source"),
        "domain": DOMAIN.of("candidates.domain"),
        "n_tokens": WORDS.of("candidates.text"),
        "duplicate_of": Column(
            pl.String,
            "the id of the earlier row that this row is a near-duplicate of; null for other rows",
            ("candidates.text",),
        ),
        "held_out": Column(
            pl.Boolean, "held out as general text to measure forgetting on, never selected", ("candidates.text",)
        ),
        "origin": ORIGIN,
        "shingles": Column(
            pl.Binary,
            "hashes of the text's shingles of three tokens, for finding near-duplicates",
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
