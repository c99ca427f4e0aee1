"""`embeddings`: one vector per content id and encoder."""

import numpy as np
import polars as pl

from getmore_assets.corpus import candidates
from getmore_assets.corpus.target import points_of
from getmore_assets.encoders import encoder_fingerprint, fits, store
from getmore_assets.facts import EmbeddingFacts, EncodedFacts
from getmore_assets.lake import TableRef, batches, vectors_of
from getmore_assets.records import Records
from getmore_assets.stages.checks import Checked, Finding, check
from getmore_assets.stages.columns import ID, IDS, TEXTS, Column
from getmore_assets.stages.job import Job, StageResult
from getmore_assets.stages.stage import Stage
from getmore_assets.workers.contracts import EMBED, EmbedSpec

_CHECKED_AT_ONCE = 16_384


def _encode(job: Job) -> StageResult:
    found = candidates.find(job.task, *(job.table(name) for name in candidates.INPUTS))
    found.require_budget(job.task.selection.budget)
    tables = {name: job.table(name) for name in ("raw_corpus", "target_data", "domain_triage")}
    done = job.launch(EMBED, EmbedSpec(**job.common, **tables))
    table = TableRef(job.lake.table(store.TABLE), done.version)
    if done.without_vector:
        without = store.without_vector(table, done.encoder)
        found = candidates.find(job.task, *(job.table(name) for name in candidates.INPUTS), without=without)
        found.require_budget(job.task.selection.budget)
    facts = EmbeddingFacts(**done.given(), encode_seconds=encode_seconds(job, done.encoder, done.seconds))
    version = fits.version_of(job.task, done.encoder, job.fingerprint)
    return StageResult(done.encoded + done.reused, facts.given(), table, data_version=version)


def encode_seconds(job: Job, encoder: str, now: float) -> float:
    """What this stage has spent on encoding with this encoder, in all its makings and now."""
    record = Records(job.lake, job.task.name).get(job.stage)
    before = EncodedFacts.of(record) if record else None
    return now + (before.encode_seconds if before and before.encoder == encoder else 0.0)


@check(blocking=True)
def vectors_have_unit_length(of: Checked) -> Finding:
    """Every vector is finite, of length 1 and of the same width."""
    record = of.record
    rows = record.table_ref().scan().filter(pl.col("encoder") == EmbeddingFacts.of(record).encoder)
    count, worst, widths = 0, 0.0, set()
    for batch in batches(rows.select("vector"), _CHECKED_AT_ONCE):
        widths |= set(batch["vector"].list.len())
        if len(widths) == 1:
            off = np.abs(np.linalg.norm(vectors_of(batch), axis=1) - 1)
            worst = max(worst, float(np.nan_to_num(off, nan=np.inf).max()))
        count += batch.height
    passed = count > 0 and len(widths) == 1 and worst < store.LENGTH_TOLERANCE
    return Finding(
        passed=passed, metadata={"vectors": count, "furthest_from_1": min(worst, 1e9), "widths": sorted(widths)}
    )


@check(blocking=True)
def every_candidate_has_a_vector(of: Checked) -> Finding:
    """Every row that may be chosen and every row of target train has one vector of the encoder.

    Texts that say nothing to it are left out, and counted.
    """
    task, record = of.task, of.record
    tables = (record.input_table(name) for name in candidates.INPUTS)
    nothing = store.without_vector(record.table_ref(), EmbeddingFacts.of(record).encoder)
    eligible = candidates.find(task, *tables, without=nothing).eligible
    points = points_of(record.input_table("target_data"), task.name, without=nothing)
    wanted = pl.concat([eligible.select("id"), points.select("id")]).unique()
    held = record.table_ref().scan().filter(pl.col("encoder") == EmbeddingFacts.of(record).encoder)
    counts = held.group_by("id").len("vectors").collect()
    wrong = wanted.join(counts, on="id", how="left").filter(pl.col("vectors").fill_null(0) != 1).sort("id")
    without = wrong.filter(pl.col("vectors").is_null()).height
    return Finding(
        passed=wanted.height > 0 and not wrong.height,
        metadata={
            "wanted": wanted.height,
            "without": without,
            "left_out": nothing.height,
            "with_several": wrong.height - without,
            "first": wrong["id"].head(20).to_list(),
        },
    )


STAGE = Stage(
    name="embeddings",
    description="One vector of unit length per content id and encoder, for pool and target. Only ids without a "
    "vector are encoded, in shards that are each one commit, so a run that was cut off goes on where it "
    "stopped.",
    group="transport",
    kinds=frozenset({"deltalake", "torch"}),
    code_version="2",
    settings=encoder_fingerprint,
    make=_encode,
    reads=candidates.INPUTS,
    on_gpu=True,
    shared=True,
    asks_models=True,
    columns={
        "encoder": Column(pl.String, "cache key of the encoder"),
        "id": ID.of(*IDS),
        "vector": Column(pl.List(pl.Float32), "of length 1", TEXTS),
    },
    checks=(vectors_have_unit_length, every_candidate_has_a_vector),
)
