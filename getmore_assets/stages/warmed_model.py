"""`warmed_model`: the base after its warm-up on the selected subset."""

import polars as pl

from getmore_assets.facts import SelectionFacts
from getmore_assets.records import Record
from getmore_assets.reporting import figures
from getmore_assets.reselection import approval
from getmore_assets.reselection.drift import jaccard
from getmore_assets.stages.checks import Checked, Finding, check
from getmore_assets.stages.job import Job, StageResult
from getmore_assets.stages.stage import Stage
from getmore_assets.training_facts import WarmUpFacts
from getmore_assets.workers.training_contracts import WARM_UP, WarmUpSpec

_READS_MORE = ("raw_corpus", "target_data")
SEED = 0  # the scorecard's first seed: its run of the chosen selector is this model


def _selection_is_near(job: Job, last: Record) -> str | None:
    """The last model stands where `drift.overlap` lets the difference of its selection from today's pass.

    Not where one of the rows it was warmed up on may not be chosen any more: it may overlap what is tested on by now.
    """
    read = [name for name in ("base_model", "target_data") if name in job.inputs]
    if any(last.inputs.get(name) != job.inputs[name].data_version for name in read):
        return None
    before, now = (
        table.of_target(job.task.name).select("id").collect()["id"]
        for table in (last.input_table("selected_subset"), job.table("selected_subset"))
    )
    overlap = jaccard(before, now)
    if overlap < job.task.drift.overlap:
        return None
    fates = SelectionFacts.of(job.inputs["selected_subset"]).fates(job.task.name)
    standing = fates.filter((pl.col("decision") != "excluded") & pl.col("id").is_in(before.implode()))
    if standing.select(pl.len()).collect().item() < before.len():
        return None
    return f"overlap {overlap:.3f} of its selection with today's"


def _warm_up(job: Job) -> StageResult:
    if job.task.approval:
        approval.require(job.lake, job.task, SelectionFacts.of(job.inputs["selected_subset"]).selection_hash)
    folder = job.lake.folder("models", "warmed_model") / job.fingerprint[:16]
    tables = {name: job.table(name) if name in job.inputs else None for name in _READS_MORE}
    spec = WarmUpSpec(
        **job.common,
        **tables,
        act="warm_up",
        selected_subset=job.table("selected_subset"),
        base=job.model("base_model"),
        folder=folder,
        seed=SEED,
    )
    done = job.launch(WARM_UP, spec)
    figures.curve(done.curve, "Warm-up", job.figure("curve"))
    return StageResult(done.rows, done.given(), folders={"model": str(folder)})


@check()
def the_loss_fell(of: Checked) -> Finding:
    """The loss at the end of the warm-up is finite and below that at its start."""
    losses = [point["loss"] for point in WarmUpFacts.of(of.record).curve if "loss" in point]
    quarter = max(1, len(losses) // 4)
    first, last = (sum(part) / quarter for part in (losses[:quarter], losses[-quarter:]))
    return Finding(passed=last < first, metadata={"first": first, "last": last})


STAGE = Stage(
    name="warmed_model",
    description="The base model after its warm-up: pre-fine-tuning, causal or masked, on the selected subset.",
    group="models",
    kinds=frozenset({"huggingface", "torch"}),
    code_version="1",
    settings=lambda task: task.warmup,
    make=_warm_up,
    reads=("base_model", "selected_subset", *_READS_MORE),
    reads_if={name: lambda task: task.warmup.reads_more for name in _READS_MORE},
    # Rows that the pool gains do not make it another model.
    versions={"raw_corpus": "pool"},
    keep=_selection_is_near,
    tracked=True,
    on_gpu=True,
    checks=(the_loss_fell,),
)
