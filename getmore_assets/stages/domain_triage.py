"""`domain_triage`: how far each domain of the pool is from the target, before all of the pool is encoded."""

import polars as pl

from getmore_assets.corpus import candidates, pool
from getmore_assets.corpus.target import points_of
from getmore_assets.encoders import encoder_fingerprint, fits
from getmore_assets.lake import TableRef
from getmore_assets.records import Record
from getmore_assets.reporting import figures
from getmore_assets.reselection.drift import weight_changed
from getmore_assets.stages.checks import Checked, Finding, check
from getmore_assets.stages.columns import DOMAIN, TARGET, TEXTS, Column
from getmore_assets.stages.embeddings import encode_seconds
from getmore_assets.stages.job import Job, StageResult
from getmore_assets.stages.stage import Stage
from getmore_assets.workers import TRIAGE
from getmore_assets.workers.contracts import TRIAGE as MEASURE
from getmore_assets.workers.contracts import TriageSpec

_LITTLE = 0.1  # share of the target's weight, or of the pool's rows


def _little_has_changed(job: Job, last: Record) -> str | None:
    """Distances stand for a target that moved by up to `drift.rows`; where nothing hangs on them, by a tenth.

    So they do, where nothing hangs on them, for a pool of the same domains that grew or shrank by up to a tenth.
    """
    nothing_hangs_on_them = job.task.triage.keep is None
    same_pool = last.inputs["raw_corpus"] == job.inputs["raw_corpus"].data_version
    if not same_pool and not (nothing_hangs_on_them and _pool_is_near(job, last)):
        return None
    little = _LITTLE if nothing_hangs_on_them else 0.0
    allowed = little if job.task.drift.rows is None else job.task.drift.rows
    before, now = (
        points_of(table, job.task.name) for table in (last.input_table("target_data"), job.table("target_data"))
    )
    changed = weight_changed(before, now)
    return f"{changed:.2%} of the target changed since, and little of the pool" if changed <= allowed else None


def _pool_is_near(job: Job, last: Record) -> bool:
    before, now = (
        pool.scan_pool(table, pool.pool_key(job.task)).group_by("domain").len().collect()
        for table in (last.input_table("raw_corpus"), job.table("raw_corpus"))
    )
    rows, rows_before = (int(counts["len"].sum()) for counts in (now, before))
    return set(now["domain"]) == set(before["domain"]) and abs(rows - rows_before) <= _LITTLE * rows_before


def _measure(job: Job) -> StageResult:
    tables = {name: job.table(name) for name in ("raw_corpus", "target_data", "leakage")}
    done = job.launch(MEASURE, TriageSpec(**job.common, **tables))
    figures.distances(done.domains, job.figure("distances"))
    facts = done.model_copy(update={"encode_seconds": encode_seconds(job, done.encoder, done.encode_seconds)})
    table, version = job.lake.table(TRIAGE), fits.version_of(job.task, done.encoder, job.fingerprint)
    return StageResult(len(done.domains), facts.given(), TableRef(table, done.version), data_version=version)


@check(blocking=True)
def the_nearest_are_kept(of: Checked) -> Finding:
    """Every distance is finite, and as many domains are kept as were asked for."""
    rows = of.rows.sort("distance", "domain").collect()
    wanted = min(of.task.triage.keep or rows.height, rows.height)
    kept = rows["kept"].to_list()
    passed = (
        rows.height > 0 and bool(rows["distance"].is_finite().all()) and kept == [i < wanted for i in range(len(kept))]
    )
    return Finding(passed=passed, metadata={"domains": rows.height, "kept": sum(kept), "wanted": wanted})


STAGE = Stage(
    name="domain_triage",
    description="The transport distance from the target to a sample of each domain of the pool, nearest first. With "
    "`triage.keep` only the nearest are encoded and may be chosen from. The sample's vectors are kept "
    "for the embeddings.",
    group="transport",
    kinds=frozenset({"deltalake", "torch"}),
    code_version="2",
    settings=lambda task: [task.triage, encoder_fingerprint(task)],
    make=_measure,
    reads=candidates.INPUTS[:-1],  # it is the last of those that say who is a candidate
    keep=_little_has_changed,
    on_gpu=True,
    asks_models=True,
    columns={
        "target": TARGET,
        "domain": DOMAIN.of("raw_corpus.domain"),
        "nearness": Column(pl.Int64, "place among the domains, the nearest is 1", TEXTS),
        "rows": Column(pl.Int64, "rows of the domain that may be chosen", ("raw_corpus.domain", "leakage.id")),
        "sampled": Column(pl.Int64, "rows that the distance was measured on", ("raw_corpus.domain", "leakage.id")),
        "distance": Column(pl.Float64, "entropic transport cost between sample and target", TEXTS),
        "error": Column(pl.Float64, "L1 error of the target marginal that the solve stopped at", TEXTS),
        "kept": Column(pl.Boolean, "whether rows of the domain may be chosen", TEXTS),
    },
    checks=(the_nearest_are_kept,),
)
