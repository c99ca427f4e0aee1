"""`base_model`: the model before the warm-up."""

from typing import Any

from getmore_assets.config import Task
from getmore_assets.corpus import pool
from getmore_assets.models import find_model, model_fingerprint
from getmore_assets.reporting import figures
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext, StageResult
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


def _compute(context: StageContext) -> StageResult:
    folder = context.lake.folder("models", "base_model") / context.fingerprint[:16]
    tables = {name: context.table(name) for name in ("raw_corpus", "target_data")}
    done = context.launch(TRAIN_BASE, BaseSpec(**context.common, **tables, act="base", folder=folder))
    if done.curve:
        what = "head of the base model" if done.head_trained else "base model"
        figures.curve(done.curve, f"Training of the {what}", context.figure("curve"))
    return StageResult(done.rows, {**done.given(), "pool": pool.pool_key(context.task)}, folders={"model": str(folder)})


STAGE = Stage(
    name="base_model",
    description="The model before the warm-up: from the hub, from a folder, or a small model trained on a sample of "
    "the pool. If a checkpoint has no language-modelling head, one head is trained first, for all selectors.",
    group="inputs",
    kinds=frozenset({"huggingface", "torch"}),
    code_version="3",
    settings=_settings,
    compute=_compute,
    reads=("raw_corpus", "target_data"),
    # New rows of the pool do not change the model; evaluated rows do, because the training sample excludes them.
    versions={"raw_corpus": "pool", "target_data": "evaluated_version"},
    tracked=True,
    on_gpu=True,
    hashes_models=True,
)
