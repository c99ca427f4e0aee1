"""`embeddings`: one vector per content id and encoder."""

from pathlib import Path
from tempfile import gettempdir

import numpy as np
import polars as pl

from getmore_assets.corpus import candidates
from getmore_assets.corpus.target import points_of
from getmore_assets.encoders import encoder_fingerprint, fits, store
from getmore_assets.facts import EmbeddingFacts, EncodedFacts
from getmore_assets.lake import TableRef
from getmore_assets.pieces import batches, vectors_of
from getmore_assets.records import Records
from getmore_assets.stages.checks import CheckContext, CheckResult, check
from getmore_assets.stages.columns import ID, IDS, TEXTS, Column
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext, StageResult
from getmore_assets.workers.contracts import EMBED, EmbedSpec

_BATCH = 16_384  # vectors


def _encode(context: StageContext) -> StageResult:
    inputs = [context.table(name) for name in candidates.INPUTS]
    candidates.find(context.task, *inputs).require_budget(context.task.selection.budget)
    tables = {name: context.table(name) for name in ("raw_corpus", "target_data", "domain_triage")}
    done = context.launch(EMBED, EmbedSpec(**context.common, **tables))
    table = TableRef(context.lake.table(store.TABLE), done.version)
    if done.without_vector:
        without = store.without_vector(table, done.encoder)
        candidates.find(context.task, *inputs, without=without).require_budget(context.task.selection.budget)
    facts = EmbeddingFacts(**done.given(), encode_seconds=encode_seconds(context, done.encoder, done.seconds))
    version = fits.version_of(context.task, done.encoder, context.fingerprint)
    return StageResult(done.encoded + done.reused, facts.given(), table, data_version=version)


def encode_seconds(context: StageContext, encoder: str, now: float) -> float:
    """Return the seconds of encoding with an encoder: `now`, plus those of the stage's earlier materializations."""
    record = Records(context.lake, context.task.name).get(context.stage)
    before = EncodedFacts.of(record) if record else None
    return now + (before.encode_seconds if before and before.encoder == encoder else 0.0)


@check(blocking=True)
def vectors_have_unit_length(context: CheckContext) -> CheckResult:
    """Every vector is finite, of length 1 and of the same width."""
    record = context.record
    rows = record.table_ref().scan().filter(pl.col("encoder") == EmbeddingFacts.of(record).encoder)
    count, worst, widths = 0, 0.0, set()
    for batch in batches(rows.select("vector"), _BATCH):
        widths |= set(batch["vector"].list.len())
        if len(widths) == 1:
            off = np.abs(np.linalg.norm(vectors_of(batch), axis=1) - 1)
            worst = max(worst, float(np.nan_to_num(off, nan=np.inf).max()))
        count += batch.height
    passed = count > 0 and len(widths) == 1 and worst < store.LENGTH_TOLERANCE
    return CheckResult(
        passed=passed, metadata={"vectors": count, "furthest_from_1": min(worst, 1e9), "widths": sorted(widths)}
    )


@check(blocking=True)
def every_candidate_has_a_vector(context: CheckContext) -> CheckResult:
    """Every eligible candidate and every row of target train has one vector of the encoder.

    Texts without any feature of the encoder have none and are counted.
    """
    task, record = context.task, context.record
    tables = (record.input_table(name) for name in candidates.INPUTS)
    encoder = EmbeddingFacts.of(record).encoder
    featureless = store.without_vector(record.table_ref(), encoder)
    found = candidates.find(task, *tables, without=featureless)
    points = points_of(record.input_table("target_data"), task.name, without=featureless)
    expected = found.index(Path(gettempdir()))  # the lake may be read-only
    expected.add(points["id"])
    counts = np.zeros(len(expected), np.int64)
    for batch in batches(record.table_ref().scan().filter(pl.col("encoder") == encoder).select("id"), _BATCH):
        positions = expected.find(batch["id"])
        np.add.at(counts, positions[positions >= 0], 1)
    without, first = int((counts == 0).sum()), pl.Series(dtype=pl.String)
    for rows in [*found.pieces(), points] if (counts != 1).any() else ():
        first = first.append(rows["id"].filter(pl.Series(counts[expected.find(rows["id"])] != 1)))
    return CheckResult(
        passed=len(expected) > 0 and bool((counts == 1).all()),
        metadata={
            "expected": len(expected),
            "without": without,
            "left_out": featureless.height,
            "with_several": int((counts > 1).sum()),
            "first": first.unique().sort().head(20).to_list(),
        },
    )


STAGE = Stage(
    name="embeddings",
    description="One vector of unit length per content id and encoder, for pool and target. Only ids without a "
    "vector are encoded. Vectors are committed in shards, so an interrupted run continues where it stopped.",
    group="transport",
    kinds=frozenset({"deltalake", "torch"}),
    code_version="2",
    settings=encoder_fingerprint,
    compute=_encode,
    reads=candidates.INPUTS,
    on_gpu=True,
    shared=True,
    hashes_models=True,
    columns={
        "encoder": Column(pl.String, "cache key of the encoder"),
        "id": ID.of(*IDS),
        "vector": Column(pl.List(pl.Float32), "the vector, of length 1", TEXTS),
    },
    checks=(vectors_have_unit_length, every_candidate_has_a_vector),
)
