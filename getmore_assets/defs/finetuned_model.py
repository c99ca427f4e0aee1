"""`finetuned_model`: the warmed model after fine-tuning on target train."""

import dagster as dg

from getmore_assets.defs.line import Job, Line, Made, targets
from getmore_assets.defs.warmed_model import SEED
from getmore_assets.reporting import figures


@dg.asset(
    deps=["raw_corpus", "target_data", "base_model", "warmed_model"],
    partitions_def=targets,
    group_name="models",
    kinds={"huggingface", "torch"},
    code_version="1",
    pool="gpu",
    description="The warmed model after fine-tuning on the target's train split, as a language model or, with "
    "labels, as a classifier. Stops early on validation; test is looked at once, at the end.",
)
def finetuned_model(context: dg.AssetExecutionContext, line: Line) -> dg.MaterializeResult:
    """A Hugging Face folder and the metrics on test."""
    inputs = ("raw_corpus", "target_data", "base_model", "warmed_model")
    return line.materialise(context, inputs=inputs, settings=lambda t: t.finetune, make=_fine_tune, track=True)


def _fine_tune(job: Job) -> Made:
    folder = job.lake.folder("models", "finetuned_model") / job.fingerprint[:16]
    done = job.launch(
        "train",
        {
            "act": "fine_tune",
            "warmed": job.inputs["warmed_model"].folders["model"],
            "folder": str(folder),
            "seed": SEED,
            "base": job.inputs["base_model"].folders["model"],
            "classes": job.inputs["target_data"].facts["labels"],
        },
    )
    figures.curve(done["curve"], "Fine-tuning", job.figure("curve"))
    return Made(job.inputs["target_data"].facts["rows"]["train"], done, folders={"model": str(folder)})
