"""`warmed_model`: the base model after its warm-up on the selected subset."""

import polars as pl

from getmore_assets.facts import SelectionFacts
from getmore_assets.records import Record
from getmore_assets.reporting import figures
from getmore_assets.reselection import approval
from getmore_assets.reselection.drift import jaccard
from getmore_assets.stages.checks import CheckContext, CheckResult, check
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext, StageResult
from getmore_assets.training_facts import WarmUpFacts
from getmore_assets.workers.training_contracts import WARM_UP, WarmUpSpec

_READS_MORE = ("raw_corpus", "target_data")
SEED = 0  # the scorecard's first seed, so that the scorecard uses this model for the chosen selector


def _keep(context: StageContext, last: Record) -> str | None:
    """Keep the last model if its selection overlaps the current one by at least `drift.overlap`.

    The model is not kept if a row of its warm-up is no longer eligible: the row may overlap test by now.
    """
    read = [name for name in ("base_model", "target_data") if name in context.inputs]
    if any(last.inputs.get(name) != context.inputs[name].data_version for name in read):
        return None
    before, now = (
        table.of_target(context.task.name).select("id").collect()["id"]
        for table in (last.input_table("selected_subset"), context.table("selected_subset"))
    )
    overlap = jaccard(before, now)
    if overlap < context.task.drift.overlap:
        return None
    fates = SelectionFacts.of(context.inputs["selected_subset"]).fates(context.task.name)
    eligible = fates.filter((pl.col("decision") != "excluded") & pl.col("id").is_in(before.implode()))
    if eligible.select(pl.len()).collect().item() < before.len():
        return None
    return f"overlap {overlap:.3f} of its selection with today's"


def _warm_up(context: StageContext) -> StageResult:
    if context.task.approval:
        selection = SelectionFacts.of(context.inputs["selected_subset"]).selection_hash
        approval.require(context.lake, context.task, selection)
    folder = context.lake.folder("models", "warmed_model") / context.fingerprint[:16]
    spec = WarmUpSpec(
        **context.common,
        **{name: context.table(name) if name in context.inputs else None for name in _READS_MORE},
        act="warm_up",
        selected_subset=context.table("selected_subset"),
        base=context.model("base_model"),
        folder=folder,
        seed=SEED,
    )
    done = context.launch(WARM_UP, spec)
    figures.curve(done.curve, "Warm-up", context.figure("curve"))
    return StageResult(done.rows, done.given(), folders={"model": str(folder)})


@check()
def the_loss_fell(context: CheckContext) -> CheckResult:
    """The loss at the end of the warm-up is finite and below that at its start."""
    losses = [point["loss"] for point in WarmUpFacts.of(context.record).curve if "loss" in point]
    quarter = max(1, len(losses) // 4)
    first, last = (sum(part) / quarter for part in (losses[:quarter], losses[-quarter:]))
    return CheckResult(passed=last < first, metadata={"first": first, "last": last})


STAGE = Stage(
    name="warmed_model",
    description="The base model after its warm-up: pre-fine-tuning, causal or masked, on the selected subset.",
    group="models",
    kinds=frozenset({"huggingface", "torch"}),
    code_version="1",
    settings=lambda task: task.warmup,
    compute=_warm_up,
    reads=("base_model", "selected_subset", *_READS_MORE),
    reads_if={name: lambda task: task.warmup.reads_more for name in _READS_MORE},
    # New rows of the pool do not change the model.
    versions={"raw_corpus": "pool"},
    keep=_keep,
    tracked=True,
    on_gpu=True,
    checks=(the_loss_fell,),
)
