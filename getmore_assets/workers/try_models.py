"""Take one step with a small random copy of each model that a task names, before anything expensive.

Belongs here: from the spec to the checks. Does not: the checks (`training/one_step.py`).
"""

import torch

from getmore_assets.config import Task
from getmore_assets.training import adapters, attention, language_models, memory
from getmore_assets.training.one_step import Candidate
from getmore_assets.workers import run
from getmore_assets.workers.contracts import Tried, TryModelsSpec


def try_models(spec: TryModelsSpec) -> Tried:
    """Refuse a base model, an encoder or a toxicity classifier that cannot do what the task needs."""
    task = spec.task
    if task.launch.train.pod is None:  # otherwise the worker in the pod checks it
        attention.require_installed(task.warmup.attention, "warmup.attention")
        attention.require_installed(task.finetune.attention, "finetune.attention")
    for field, folder in spec.models.items():
        model = Candidate(field, folder)
        if field == "base_model.model":
            _try_base(model, task)
        elif field == "encoder.model":
            model.encoder(task.encoder.max_length)
            if task.encoder.adapt:
                lengths = {"encoder.max_length": task.encoder.max_length}
                model.language_model(task.encoder.adapt.objective, "encoder.adapt.objective", lengths, {})
        else:
            model.judge()
    return Tried(models=len(spec.models))


def _try_base(model: Candidate, task: Task) -> None:
    recipes = {"warmup": task.warmup, "finetune": task.finetune}
    lengths = {f"{name}.max_length": recipe.max_length for name, recipe in recipes.items()}
    loras = {f"{name}.lora": recipe.lora for name, recipe in recipes.items() if recipe.lora}
    isolated = [f"{name}.packing" for name, recipe in recipes.items() if recipe.packing == "isolated"]
    model.language_model(task.base_model.objective, "base_model.objective", lengths, loras, isolated)
    model.attends({f"{name}.attention": recipe.attention for name, recipe in recipes.items()})
    if task.target.label or task.target.train.label:
        model.classifier(task.target.is_of_pairs, task.finetune.pooling)
    if task.launch.train.pod is None:
        _try_room(model, task)


def _try_room(model: Candidate, task: Task) -> None:
    """Refuse a training that this machine has no room for."""
    shared, kind = task.launch.train, language_models.kind_of(task.base_model.objective)
    for field, recipe in (("warmup", task.warmup), ("finetune", task.finetune)):
        with torch.device("meta"):
            network = kind.from_config(model.config, trust_remote_code=False, dtype=torch.float32)
            if not memory.is_large(network):
                return
            trained = adapters.put_on(network, recipe.lora) if recipe.lora else network
        planned = memory.plan(trained, recipe, shared.total, shared.strategy)
        memory.require_room(planned, f"{field}, {model.where}", shared.processes)


if __name__ == "__main__":
    run(try_models)
