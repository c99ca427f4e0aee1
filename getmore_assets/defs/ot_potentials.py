"""`ot_potentials`: the prices that certify the transport cost between pool and target."""

import dagster as dg
import polars as pl

from getmore_assets.defs.checks import partition_check
from getmore_assets.defs.line import Job, Line, Made, targets
from getmore_assets.lake import TableRef
from getmore_assets.reporting import figures
from getmore_assets.workers import POTENTIALS

_CHECKED_SHARE, _LEAST_OVERLAP = 0.05, 0.5
_INPUTS = ("raw_corpus", "target_data", "domain_triage", "embeddings")


@dg.asset(
    deps=list(_INPUTS),
    partitions_def=targets,
    group_name="transport",
    kinds={"deltalake", "torch"},
    code_version="2",
    pool="gpu",
    description="Potentials of the entropic optimal transport between pool and target: f for every candidate, g for "
    "every target row, with the evidence that the solve converged. One that did not converge is an "
    "error.",
)
def ot_potentials(context: dg.AssetExecutionContext, line: Line) -> dg.MaterializeResult:
    """Potentials as a Delta table."""
    return line.materialise(
        context,
        inputs=_INPUTS,
        settings=lambda t: t.transport,
        make=_solve,
    )


def _solve(job: Job) -> Made:
    done = job.launch("solve", {"encoder": job.inputs["embeddings"].facts["encoder"]})
    figures.convergence(done["history"], job.task.transport.tolerance, job.figure("convergence"))
    return Made(done["candidates"] + done["targets"], done, TableRef(job.lake.table(POTENTIALS), done["version"]))


@partition_check(
    ot_potentials,
    blocking=True,
    description="The solve converged: marginal error within tolerance, every potential finite.",
)
def the_solve_converged(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Holds the recorded error against the tolerance, and looks at every potential."""
    task, record = line.record(context, "ot_potentials")
    mine = record.table_ref().scan().filter(pl.col("target") == task.name)
    bad = int(mine.select((~pl.col("potential").is_finite()).sum()).collect().item())
    error = record.facts["marginal_error"]
    return dg.AssetCheckResult(
        passed=error <= task.transport.tolerance and bad == 0,
        metadata={"marginal_error": error, "tolerance": task.transport.tolerance, "not_finite": bad},
    )


@partition_check(
    ot_potentials,
    description="The choice does not hang on ε: at half and at twice of it, most of the lowest 5 % of a sample stay.",
)
def the_choice_is_stable(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Holds the recorded overlaps against a half."""
    _, record = line.record(context, "ot_potentials")
    overlaps = {f"ε x {o['factor']:g}": o["jaccard"] for o in record.facts["overlap"] if o["share"] == _CHECKED_SHARE}
    return dg.AssetCheckResult(
        passed=all(overlap is not None and overlap >= _LEAST_OVERLAP for overlap in overlaps.values()),
        metadata={**{k: -1.0 if v is None else v for k, v in overlaps.items()}, "least": _LEAST_OVERLAP},
    )
