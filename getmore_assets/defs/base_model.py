"""`base_model`: the model before."""

from typing import Any

import dagster as dg

from getmore_assets.config import Task
from getmore_assets.corpus import pool
from getmore_assets.defs import pools
from getmore_assets.defs.columns import owners, tags_of
from getmore_assets.defs.job import Job, Made
from getmore_assets.defs.line import Line, targets
from getmore_assets.defs.shared_checks import weights_are_finite
from getmore_assets.models import find_model, model_fingerprint
from getmore_assets.reporting import figures


@dg.asset(
    deps=["raw_corpus", "target_data"],
    partitions_def=targets,
    tags=tags_of("base_model"),
    owners=owners(),
    group_name="models",
    kinds={"huggingface", "torch"},
    code_version="3",
    pool=pools.DECLARED,
    description="The model before: from the hub, from a folder, or a small one trained on a sample of the pool. "
    "Where a checkpoint lacks the language-modelling head, the head alone is trained first, the same "
    "for every selector.",
)
def base_model(context: dg.AssetExecutionContext, line: Line) -> dg.MaterializeResult:
    """A Hugging Face folder with a language-modelling head."""
    return line.materialise(
        context,
        inputs=("raw_corpus", "target_data"),
        settings=_settings,
        make=_make,
        # Rows that the pool gains do not make it another model; rows to be evaluated on must not be in its sample.
        reads={"raw_corpus": "pool", "target_data": "evaluated_version"},
        track=True,
        on_gpu=True,
    )


def _settings(task: Task) -> Any:
    chosen = task.base_model
    if chosen.model == "small":
        return [chosen, task.warmup.max_length, task.finetune.max_length]
    return [
        chosen.objective,
        chosen.head,
        task.warmup.max_length,
        model_fingerprint(find_model(chosen.model, "base_model")),
    ]


def _make(job: Job) -> Made:
    folder = job.lake.folder("models", "base_model") / job.fingerprint[:16]
    done = job.launch("train", {"act": "base", "folder": str(folder)})
    if done["curve"]:
        figures.curve(done["curve"], "Training of the base (or of its head)", job.figure("curve"))
    return Made(done["rows"], {**done, "pool": pool.pool_key(job.task)}, folders={"model": str(folder)})


base_model_weights_are_finite = weights_are_finite(base_model)
