"""`domain_triage`: the distance of each domain of the pool from the target, before the whole pool is encoded."""

import polars as pl

from getmore_assets.corpus import candidates, pool
from getmore_assets.corpus.target import points_of
from getmore_assets.encoders import encoder_fingerprint, fits
from getmore_assets.lake import TableRef
from getmore_assets.records import Record
from getmore_assets.reporting import figures
from getmore_assets.reselection.drift import weight_changed
from getmore_assets.stages.checks import CheckContext, CheckResult, check
from getmore_assets.stages.columns import DOMAIN, TARGET, TEXTS, Column
from getmore_assets.stages.embeddings import encode_seconds
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext, StageResult
from getmore_assets.workers import TRIAGE
from getmore_assets.workers.contracts import TRIAGE as MEASURE
from getmore_assets.workers.contracts import TriageSpec

_DRIFT_LIMIT = 0.1  # share of the target's weight, or of the pool's rows, if `triage.keep` is not set


def _keep(context: StageContext, last: Record) -> str | None:
    """Keep the last distances if target and pool drifted little.

    The target may drift by `drift.rows`. Without `triage.keep`, distances are only informative: the target may drift by
    a tenth unless `drift.rows` is set, and a pool with the same domains may grow or shrink by a tenth.
    """
    informative = context.task.triage.keep is None
    same_pool = last.inputs["raw_corpus"] == context.inputs["raw_corpus"].data_version
    if not same_pool and not (informative and _pool_is_near(context, last)):
        return None
    default = _DRIFT_LIMIT if informative else 0.0
    allowed = default if context.task.drift.rows is None else context.task.drift.rows
    before, now = (
        points_of(table, context.task.name) for table in (last.input_table("target_data"), context.table("target_data"))
    )
    changed = weight_changed(before, now)
    return f"{changed:.2%} of the target changed since, and little of the pool" if changed <= allowed else None


def _pool_is_near(context: StageContext, last: Record) -> bool:
    before, now = (
        pool.scan_pool(table, pool.pool_key(context.task)).group_by("domain").len().collect()
        for table in (last.input_table("raw_corpus"), context.table("raw_corpus"))
    )
    rows, rows_before = (int(counts["len"].sum()) for counts in (now, before))
    return set(now["domain"]) == set(before["domain"]) and abs(rows - rows_before) <= _DRIFT_LIMIT * rows_before


def _measure(context: StageContext) -> StageResult:
    tables = {name: context.table(name) for name in ("raw_corpus", "target_data", "leakage")}
    done = context.launch(MEASURE, TriageSpec(**context.common, **tables))
    figures.distances(done.domains, context.figure("distances"))
    facts = done.model_copy(update={"encode_seconds": encode_seconds(context, done.encoder, done.encode_seconds)})
    table, version = context.lake.table(TRIAGE), fits.version_of(context.task, done.encoder, context.fingerprint)
    return StageResult(len(done.domains), facts.given(), TableRef(table, done.version), data_version=version)


@check(blocking=True)
def the_nearest_are_kept(context: CheckContext) -> CheckResult:
    """Every distance is finite, and the `triage.keep` nearest domains are kept."""
    rows = context.rows.sort("distance", "domain").collect()
    expected = min(context.task.triage.keep or rows.height, rows.height)
    kept, finite = rows["kept"].to_list(), bool(rows["distance"].is_finite().all())
    passed = rows.height > 0 and finite and kept == [i < expected for i in range(len(kept))]
    return CheckResult(passed=passed, metadata={"domains": rows.height, "kept": sum(kept), "expected": expected})


STAGE = Stage(
    name="domain_triage",
    description="The transport distance from the target to a sample of each domain of the pool, nearest first. With "
    "`triage.keep`, only rows of the nearest domains are encoded and selected. The embeddings reuse the sample's "
    "vectors.",
    group="transport",
    kinds=frozenset({"deltalake", "torch"}),
    code_version="2",
    settings=lambda task: [task.triage, encoder_fingerprint(task)],
    compute=_measure,
    reads=candidates.INPUTS[:-1],  # without domain_triage itself
    keep=_keep,
    on_gpu=True,
    hashes_models=True,
    columns={
        "target": TARGET,
        "domain": DOMAIN.of("raw_corpus.domain"),
        "nearness": Column(pl.Int64, "rank among the domains, 1 is the nearest", TEXTS),
        "rows": Column(pl.Int64, "eligible candidates of the domain", ("raw_corpus.domain", "leakage.id")),
        "sampled": Column(pl.Int64, "rows that the distance was measured on", ("raw_corpus.domain", "leakage.id")),
        "distance": Column(pl.Float64, "entropic transport cost between sample and target", TEXTS),
        "error": Column(pl.Float64, "L1 error of the target marginal at the end of the solve", TEXTS),
        "kept": Column(pl.Boolean, "whether rows of the domain are eligible", TEXTS),
    },
    checks=(the_nearest_are_kept,),
)
