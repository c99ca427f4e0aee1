"""`ot_potentials`: the dual potentials of the optimal transport between pool and target."""

import polars as pl

from getmore_assets.corpus import candidates
from getmore_assets.corpus.id_order import in_id_order
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.corpus.target import points_of
from getmore_assets.encoders import store
from getmore_assets.facts import EarlierSolve, EmbeddingFacts, PotentialsFacts
from getmore_assets.lake import TableRef
from getmore_assets.records import Record
from getmore_assets.reporting import figures
from getmore_assets.reselection.drift import weight_changed
from getmore_assets.stages.checks import CheckContext, CheckResult, check
from getmore_assets.stages.columns import ID, IDS, TARGET, Column
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext, StageResult
from getmore_assets.workers import POTENTIALS
from getmore_assets.workers.contracts import SOLVE, SolveSpec

_STABILITY_SHARE, _EXACT_SHARE = 0.05, 0.2  # shares of lowest-scored candidates that the checks compare
_LEAST_OVERLAP = 0.5


def _solve(context: StageContext) -> StageResult:
    encoder, solver = EmbeddingFacts.of(context.inputs["embeddings"]).encoder, context.task.transport.solver
    last = PotentialsFacts.of(context.last) if context.last else None
    earlier, version = None, context.fingerprint
    if context.last and last and solver == last.solver == "semi-dual" and last.encoder == encoder:
        used = {"epsilon": last.epsilon, "relaxation": last.relaxation}
        earlier = EarlierSolve(table=context.last.table_ref(), same_recipe=context.same_recipe, **used)
        # The result depends, within tolerance, on the potentials that the solve starts from.
        version = fingerprint(version, context.last.data_version)
    tables = {name: context.table(name) for name in (*candidates.INPUTS, "embeddings")}
    done = context.launch(SOLVE, SolveSpec(**context.common, **tables, encoder=encoder, earlier=earlier))
    before = last.given() if last and done.decision == "rescored" else {}
    settings = {"encoder": encoder, "earlier": earlier, "solver": solver}
    facts = PotentialsFacts.model_validate({**before, **done.given(), **settings})
    figures.convergence(facts.history, context.task.transport.tolerance, context.figure("convergence"))
    table = TableRef(context.lake.table(POTENTIALS), done.version)
    kept = _drifted(facts) if done.decision == "rescored" and facts.drift["rows"] else None
    return StageResult(facts.candidates + facts.targets, facts.given(), table, data_version=version, kept=kept)


def _drifted(facts: PotentialsFacts) -> str:
    drift = facts.drift
    return f"the target drifted by {drift['rows']:.2%} of its weight, {drift['distance']:.4f} in distance"


def _keep(context: StageContext, last: Record) -> str | None:
    """Keep the last potentials if their drift is within the limits, or if candidates and target are the same."""
    before, encoder = PotentialsFacts.of(last), EmbeddingFacts.of(context.inputs["embeddings"]).encoder
    if last.fingerprint == context.fingerprint and before.decision == "rescored":
        return _drifted(before) if context.task.drift.allows(**before.drift) else None
    without = store.without_vector(context.table("embeddings"), encoder)
    points = points_of(context.table("target_data"), context.task.name, without=without)
    rows = last.table_ref().of_target(context.task.name)
    target = rows.filter(pl.col("side") == "target").select("id", "weight").collect()
    if before.encoder != encoder or weight_changed(target, points):
        return None
    tables = (context.table(name) for name in candidates.INPUTS)
    found = candidates.find(context.task, *tables, without=without)
    scored = in_id_order(rows.filter(pl.col("side") == "candidate").select("id"), found.count)
    same = all(now["id"].equals(then["id"]) for now, then in zip(found.pieces(), scored, strict=True))
    return "candidates and target rows are the same" if same else None


@check(blocking=True)
def the_solve_converged(context: CheckContext) -> CheckResult:
    """The solve converged: marginal error within tolerance, every potential finite."""
    bad = int(context.rows.select((~pl.col("potential").is_finite()).sum()).collect().item())
    error, tolerance = PotentialsFacts.of(context.record).marginal_error, context.task.transport.tolerance
    metadata = {"marginal_error": error, "tolerance": tolerance, "not_finite": bad}
    return CheckResult(passed=error <= tolerance and bad == 0, metadata=metadata)


@check()
def the_choice_is_stable(context: CheckContext) -> CheckResult:
    """The selection is stable in ε: at half and at twice ε, at least half of a sample's lowest 5 % are the same."""
    measured = PotentialsFacts.of(context.record).overlap
    overlaps = {f"ε x {each.factor:g}": each.jaccard for each in measured if each.share == _STABILITY_SHARE}
    return CheckResult(
        passed=all(overlap is not None and overlap >= _LEAST_OVERLAP for overlap in overlaps.values()),
        metadata={**{k: -1.0 if v is None else v for k, v in overlaps.items()}, "least": _LEAST_OVERLAP},
    )


@check()
def epsilon_leaves_the_choice(context: CheckContext) -> CheckResult:
    """ε changes the selection little: of a sample, the lowest fifth at ε and by exact transport overlap by half."""
    facts = PotentialsFacts.of(context.record)
    if facts.solver == "exact":
        return CheckResult(passed=True, metadata={"note": "the solve is exact"})
    if facts.relaxation is not None:
        note = "not compared: exact transport has no relaxed target"
        return CheckResult(passed=True, metadata={"note": note})
    moved = facts.moved
    if moved is None:
        return CheckResult(passed=False, metadata={"note": "the sample's solve did not converge"})
    overlaps = {f"lowest {each['share']:.0%}": each["jaccard"] for each in moved.jaccard}
    overlap = next(each["jaccard"] for each in moved.jaccard if each["share"] == _EXACT_SHARE)
    sizes = {name: getattr(moved, name) for name in ("candidates", "targets", "exact_cost", "entropic_cost")}
    return CheckResult(
        passed=overlap is not None and overlap >= _LEAST_OVERLAP,
        metadata={**overlaps, **sizes, "least": _LEAST_OVERLAP},
    )


STAGE = Stage(
    name="ot_potentials",
    description="Potentials of the entropic optimal transport between pool and target: f for every candidate, g for "
    "every target row, and the convergence of the solve. A solve that does not converge is an error.",
    group="transport",
    kinds=frozenset({"deltalake", "torch"}),
    code_version="4",
    settings=lambda task: task.transport,
    compute=_solve,
    reads=(*candidates.INPUTS, "embeddings"),
    keep=_keep,
    on_gpu=True,
    columns={
        "target": TARGET,
        "side": Column(pl.String, "candidate or target"),
        "id": ID.of(*IDS),
        "weight": Column(pl.Float64, "weight of the row; the weights of a side sum to 1", IDS),
        "potential": Column(pl.Float64, "f of a candidate, g of a target row", ("embeddings.vector",)),
        "marginal": Column(
            pl.Float64,
            "mass that the final plan moves to a target row; null for a candidate",
            ("embeddings.vector",),
        ),
    },
    checks=(the_solve_converged, the_choice_is_stable, epsilon_leaves_the_choice),
)
