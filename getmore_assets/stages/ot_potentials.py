"""`ot_potentials`: the prices that certify the transport cost between pool and target."""

import polars as pl

from getmore_assets.corpus import candidates
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.corpus.target import points_of
from getmore_assets.encoders import store
from getmore_assets.facts import EarlierSolve, EmbeddingFacts, PotentialsFacts
from getmore_assets.lake import TableRef
from getmore_assets.records import Record
from getmore_assets.reporting import figures
from getmore_assets.reselection.drift import weight_changed
from getmore_assets.stages.checks import Checked, Finding, check
from getmore_assets.stages.columns import ID, IDS, TARGET, Column
from getmore_assets.stages.job import Job, StageResult
from getmore_assets.stages.stage import Stage
from getmore_assets.workers import POTENTIALS
from getmore_assets.workers.contracts import SOLVE, SolveSpec

_CHECKED_SHARE, _HELD_SHARE, _LEAST_OVERLAP = 0.05, 0.2, 0.5


def _solve(job: Job) -> StageResult:
    encoder, solver = EmbeddingFacts.of(job.inputs["embeddings"]).encoder, job.task.transport.solver
    last = PotentialsFacts.of(job.last) if job.last else None
    earlier, version = None, job.fingerprint
    if job.last and last and solver == last.solver == "semi-dual" and last.encoder == encoder:
        used = {"epsilon": last.epsilon, "relaxation": last.relaxation}
        earlier = EarlierSolve(table=job.last.table_ref(), same_recipe=job.same_recipe, **used)
        version = fingerprint(
            version, job.last.data_version
        )  # where a solve ends depends, within tolerance, on its start
    tables = {name: job.table(name) for name in (*candidates.INPUTS, "embeddings")}
    done = job.launch(SOLVE, SolveSpec(**job.common, **tables, encoder=encoder, earlier=earlier))
    stands = last.given() if last and done.decision == "rescored" else {}
    asked = {"encoder": encoder, "earlier": earlier, "solver": solver}
    facts = PotentialsFacts.model_validate({**stands, **done.given(), **asked})
    figures.convergence(facts.history, job.task.transport.tolerance, job.figure("convergence"))
    table = TableRef(job.lake.table(POTENTIALS), done.version)
    kept = _drifted(facts) if done.decision == "rescored" and facts.drift["rows"] else None
    return StageResult(facts.candidates + facts.targets, facts.given(), table, data_version=version, kept=kept)


def _drifted(facts: PotentialsFacts) -> str:
    drift = facts.drift
    return f"the target drifted by {drift['rows']:.2%} of its weight, {drift['distance']:.4f} in distance"


def _stands(job: Job, last: Record) -> str | None:
    """Why the last potentials stand: the gate lets their drift pass, or nothing that they are of has changed."""
    before, encoder = PotentialsFacts.of(last), EmbeddingFacts.of(job.inputs["embeddings"]).encoder
    if last.fingerprint == job.fingerprint and before.decision == "rescored":
        return _drifted(before) if job.task.drift.allows(**before.drift) else None
    without = store.without_vector(job.table("embeddings"), encoder)
    points = points_of(job.table("target_data"), job.task.name, without=without)
    rows = last.table_ref().of_target(job.task.name)
    target = rows.filter(pl.col("side") == "target").select("id", "weight").collect()
    if before.encoder != encoder or weight_changed(target, points):
        return None
    found = candidates.find(job.task, *(job.table(name) for name in candidates.INPUTS), without=without)
    scored = rows.filter(pl.col("side") == "candidate").select("id").collect()["id"]
    same = scored.len() == found.eligible.height and scored.sort().equals(found.eligible["id"])
    return "no candidate and no point of the target came or went" if same else None


@check(blocking=True)
def the_solve_converged(of: Checked) -> Finding:
    """The solve converged: marginal error within tolerance, every potential finite."""
    bad = int(of.rows.select((~pl.col("potential").is_finite()).sum()).collect().item())
    error, tolerance = PotentialsFacts.of(of.record).marginal_error, of.task.transport.tolerance
    metadata = {"marginal_error": error, "tolerance": tolerance, "not_finite": bad}
    return Finding(passed=error <= tolerance and bad == 0, metadata=metadata)


@check()
def the_choice_is_stable(of: Checked) -> Finding:
    """The choice does not hang on ε: at half and at twice of it, most of the lowest 5 % of a sample stay."""
    measured = PotentialsFacts.of(of.record).overlap
    overlaps = {f"ε x {one.factor:g}": one.jaccard for one in measured if one.share == _CHECKED_SHARE}
    return Finding(
        passed=all(overlap is not None and overlap >= _LEAST_OVERLAP for overlap in overlaps.values()),
        metadata={**{k: -1.0 if v is None else v for k, v in overlaps.items()}, "least": _LEAST_OVERLAP},
    )


@check()
def epsilon_leaves_the_choice(of: Checked) -> Finding:
    """ε has not made another choice: of a sample, the lowest fifth at ε and that by exact transport overlap by half."""
    facts = PotentialsFacts.of(of.record)
    if facts.solver == "exact":
        return Finding(passed=True, metadata={"note": "the choice is the exact one"})
    if facts.relaxation is not None:
        note = "with a relaxed target there is no exact choice to hold it against"
        return Finding(passed=True, metadata={"note": note})
    moved = facts.moved
    if moved is None:
        return Finding(passed=False, metadata={"note": "the sample's solve did not converge"})
    overlaps = {f"lowest {one['share']:.0%}": one["jaccard"] for one in moved.jaccard}
    found = next(one["jaccard"] for one in moved.jaccard if one["share"] == _HELD_SHARE)
    sizes = {name: getattr(moved, name) for name in ("candidates", "targets", "exact_cost", "entropic_cost")}
    return Finding(
        passed=found is not None and found >= _LEAST_OVERLAP, metadata={**overlaps, **sizes, "least": _LEAST_OVERLAP}
    )


STAGE = Stage(
    name="ot_potentials",
    description="Potentials of the entropic optimal transport between pool and target: f for every candidate, g for "
    "every target row, with the evidence that the solve converged. One that did not converge is an "
    "error.",
    group="transport",
    kinds=frozenset({"deltalake", "torch"}),
    code_version="4",
    settings=lambda task: task.transport,
    make=_solve,
    reads=(*candidates.INPUTS, "embeddings"),
    keep=_stands,
    on_gpu=True,
    columns={
        "target": TARGET,
        "side": Column(pl.String, "candidate or target"),
        "id": ID.of(*IDS),
        "weight": Column(pl.Float64, "of the row in its side; a side sums to 1", IDS),
        "potential": Column(pl.Float64, "f of a candidate, g of a target row", ("embeddings.vector",)),
        "marginal": Column(
            pl.Float64,
            "of a target row, what the final plan brings to it; null for a candidate",
            ("embeddings.vector",),
        ),
    },
    checks=(the_solve_converged, the_choice_is_stable, epsilon_leaves_the_choice),
)
