"""`warmed_model`: the base after its warm-up on the selected subset."""

import dagster as dg

from getmore_assets.defs.checks import partition_check
from getmore_assets.defs.line import Job, Line, Made, targets
from getmore_assets.reporting import figures

SEED = 0  # the scorecard's first seed: its run of the chosen selector is this model


@dg.asset(
    deps=["selected_subset", "base_model"],
    partitions_def=targets,
    group_name="models",
    kinds={"huggingface", "torch"},
    code_version="1",
    pool="gpu",
    description="The base model after its warm-up: pre-fine-tuning, causal or masked, on the selected subset.",
)
def warmed_model(context: dg.AssetExecutionContext, line: Line) -> dg.MaterializeResult:
    """A Hugging Face folder with a language-modelling head."""
    return line.materialise(
        context, inputs=("selected_subset", "base_model"), settings=lambda t: t.warmup, make=_warm_up, track=True
    )


def _warm_up(job: Job) -> Made:
    folder = job.lake.folder("models", "warmed_model") / job.fingerprint[:16]
    base = job.inputs["base_model"].folders["model"]
    done = job.launch("train", {"act": "warm_up", "base": base, "folder": str(folder), "seed": SEED})
    figures.curve(done["curve"], "Warm-up", job.figure("curve"))
    return Made(done["rows"], done, folders={"model": str(folder)})


@partition_check(
    warmed_model,
    description="The loss at the end of the warm-up is finite and below that at its start.",
)
def the_loss_fell(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Compares the means of the first and the last quarter of the curve; a warning."""
    _, record = line.record(context, "warmed_model")
    losses = [point["loss"] for point in record.facts["curve"] if "loss" in point]
    quarter = max(1, len(losses) // 4)
    first, last = (sum(part) / quarter for part in (losses[:quarter], losses[-quarter:]))
    return dg.AssetCheckResult(passed=last < first, metadata={"first": first, "last": last})
