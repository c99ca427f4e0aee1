"""`base_model`: the model before."""

from typing import Any

from getmore_assets.config import Task
from getmore_assets.corpus import pool
from getmore_assets.models import find_model, model_fingerprint
from getmore_assets.reporting import figures
from getmore_assets.stages.job import Job, StageResult
from getmore_assets.stages.stage import Stage
from getmore_assets.workers.training_contracts import TRAIN_BASE, BaseSpec


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


def _make(job: Job) -> StageResult:
    folder = job.lake.folder("models", "base_model") / job.fingerprint[:16]
    tables = {name: job.table(name) for name in ("raw_corpus", "target_data")}
    done = job.launch(TRAIN_BASE, BaseSpec(**job.common, **tables, act="base", folder=folder))
    if done.curve:
        what = "head of the base model" if done.head_trained else "base model"
        figures.curve(done.curve, f"Training of the {what}", job.figure("curve"))
    return StageResult(done.rows, {**done.given(), "pool": pool.pool_key(job.task)}, folders={"model": str(folder)})


STAGE = Stage(
    name="base_model",
    description="The model before: from the hub, from a folder, or a small one trained on a sample of the pool. "
    "Where a checkpoint lacks the language-modelling head, the head alone is trained first, the same "
    "for every selector.",
    group="inputs",
    kinds=frozenset({"huggingface", "torch"}),
    code_version="3",
    settings=_settings,
    make=_make,
    reads=("raw_corpus", "target_data"),
    # Rows that the pool gains do not make it another model; rows to be evaluated on must not be in its sample.
    versions={"raw_corpus": "pool", "target_data": "evaluated_version"},
    tracked=True,
    on_gpu=True,
    asks_models=True,
)
