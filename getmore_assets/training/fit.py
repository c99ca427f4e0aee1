"""One call of the Transformers Trainer, the same for every training in this project.

Belongs here: recipe to arguments, checkpoints, resume, early stopping, several processes in one training. Does not:
the steps (`trainer.py`), which model is trained on which texts (`phases.py`), or adapters (`adapters.py`).

Several processes divide each batch, so batches, steps and losses are those of one process. Rank 0 draws the order of
rows and the masks. Each process draws its own dropout: trainings with one and with two processes therefore differ as
trainings with two seeds do.
"""

import json
import math
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import logging as transformers_logging

from getmore_assets.config import Strategy, Training
from getmore_assets.device import best_device, compute_dtype
from getmore_assets.progress import progress
from getmore_assets.ranks import is_first, processes
from getmore_assets.training import adapters, attention, language_models, memory, optimizer_state
from getmore_assets.training.batches import shared_out
from getmore_assets.training.sharded import ShardedTrainer
from getmore_assets.training.trainer import FitTrainer, mean_loss

_SAVES = 4  # checkpoints in a training without validation
_LOGS = 20
_SHOWN = ("step", "loss", "eval_loss", "eval_accuracy")  # fields of the Trainer's log that the curve has
_PATIENCE_S = 7 * 24 * 3600  # processes wait so long for rank 0, which alone evaluates and writes
_ALONE, _FIRST = (
    "rng_state.pth",
    "rng_state_0.pth",
)  # the Trainer's files of random number generators: with one process; of rank 0 with several


@dataclass
class FitResult:
    """The course of a training: steps, seconds, and the curve (step; loss, or eval_loss and eval_accuracy)."""

    steps: int
    seconds: float
    curve: list[dict[str, float]]


class _Progress(TrainerCallback):  # type: ignore[misc]
    """One line of progress with the loss and the time left, in a terminal as in a log."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: Any = None

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self._bar = progress(state.max_steps, self._name, "step", done=state.global_step)

    def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self._bar.update(state.global_step - self._bar.n)

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self._bar.set_postfix(loss=f"{float(logs['loss']):.3f}", refresh=False)

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        self._bar.close()


def _last_whole_checkpoint(work: Path) -> str | None:
    """Delete incomplete checkpoints, and return the last complete one, or None.

    The Trainer writes trainer_state.json last: after a kill it is missing or incomplete.
    """
    for folder in work.glob("checkpoint-*"):
        try:
            json.loads((folder / "trainer_state.json").read_text("utf-8"))
            whole = (folder / optimizer_state.FILE).is_file()  # earlier versions had another file
        except (FileNotFoundError, ValueError):
            whole = False
        if not whole:
            shutil.rmtree(folder)
    last = get_last_checkpoint(str(work)) if work.is_dir() else None
    if last:
        _carry_over_random_states(Path(last))
    return last


def _seen_by_all(checkpoint: str | None, accelerator: Any) -> str | None:
    """Return the checkpoint if every process sees it.

    Otherwise the processes are on nodes that share no folder: delete the checkpoint, and return None.
    """
    step = torch.tensor(-1 if checkpoint is None else int(checkpoint.rpartition("-")[2]), device=accelerator.device)
    if bool((accelerator.gather(step) == step).all()):
        return checkpoint
    if checkpoint:
        shutil.rmtree(checkpoint, ignore_errors=True)  # by several processes at once
    return None


def _carry_over_random_states(checkpoint: Path) -> None:
    """Give rank 0 its random state even if the number of processes changed, and delete incomplete states of others."""
    for present, missing in ((_ALONE, _FIRST), (_FIRST, _ALONE)):
        if (checkpoint / present).is_file() and not (checkpoint / missing).is_file():
            shutil.copy(checkpoint / present, checkpoint / missing)
    for file in checkpoint.glob("rng_state_*.pth"):
        if not zipfile.is_zipfile(file):  # rank 0 does not wait for the others: a kill may leave theirs incomplete
            file.unlink()


def _arguments(recipe: Training, steps: int, seed: int, work: Path, watched: str | None) -> TrainingArguments:
    """Return the Trainer's arguments of a recipe; `watched` is the validation metric, None without validation."""
    device = best_device()
    # The Trainer's present name of the argument, and its deprecated one.
    activations = "activation_checkpointing"
    activations = activations if hasattr(TrainingArguments, activations) else "gradient_checkpointing"
    return TrainingArguments(
        output_dir=str(work),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=2 * recipe.batch_size,
        weight_decay=recipe.weight_decay,
        warmup_steps=math.floor(recipe.warmup_ratio * steps),
        seed=seed,
        data_seed=seed,
        eval_strategy="epoch" if watched else "no",
        save_strategy="epoch" if watched else "steps",
        save_steps=max(20, math.ceil(steps / _SAVES)),
        save_total_limit=1,
        load_best_model_at_end=bool(watched),
        metric_for_best_model=watched,
        logging_steps=max(1, steps // _LOGS),
        bf16=recipe.weights == "bfloat16" or compute_dtype(recipe.dtype, device) == torch.bfloat16,
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=device.type == "cuda",
        report_to=[],
        logging_nan_inf_filter=False,
        gradient_accumulation_steps=recipe.gradient_accumulation_steps,
        accelerator_config={"split_batches": True, "dispatch_batches": True} if processes() > 1 else None,
        ddp_timeout=_PATIENCE_S,
        **{activations: recipe.gradient_checkpointing},
    )


def fit(
    model: Any,
    train: Dataset[Any],
    recipe: Training,
    seed: int,
    work: Path,
    collator: Any,
    *,
    name: str,
    validation: Dataset[Any] | None = None,
    patience: int | None = None,
    classifies: bool = False,
    strategy: Strategy = "ddp",
) -> FitResult:
    """Train a model in place.

    Args:
        model: A Transformers model. With `recipe.lora` its adapters are saved in `work`, and merged into the model.
        train: Items for the collator.
        recipe: Epochs, learning rate and so on.
        seed: Seed of the order of the data, and of dropout.
        work: Folder of the checkpoints. An interrupted training resumes from the last one. The caller deletes the
            folder once it has saved the model.
        collator: Items to a batch.
        name: Shown beside the progress.
        validation: Evaluated once an epoch. The model ends with the weights of the epoch with the lowest validation
            loss, a classifier with those of the highest validation accuracy.
        patience: Stop after so many epochs without improvement on validation; None to train all epochs.
        classifies: Whether the model is a classifier. Its items differ in length: a batch of rows of similar length is
            about half as wide, with little padding.
        strategy: What each of several processes holds: the whole model (ddp), or its shard (fsdp).
    """
    count, watched = processes(), None if validation is None else "eval_accuracy" if classifies else "eval_loss"
    arguments = _arguments(recipe, recipe.steps(len(train)), seed, work, watched)  # type: ignore[arg-type]
    transformers_logging.disable_progress_bar()  # the bars of reading and writing weights
    trained = adapters.put_on(model, recipe.lora) if recipe.lora else model
    memory.announce(trained, recipe, name, count, strategy)
    kind = ShardedTrainer if strategy == "fsdp" and count > 1 else FitTrainer
    trainer = kind(
        model=trained,
        args=arguments,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=shared_out(collator, count),
        compute_loss_func=mean_loss(model.can_generate()),
        classifies=classifies,
        bfloat16=recipe.weights == "bfloat16",
        callbacks=[
            *([_Progress(name)] if is_first() else []),
            *([EarlyStoppingCallback(patience)] if watched and patience else []),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    with trainer.accelerator.main_process_first():
        checkpoint = _last_whole_checkpoint(work)
    checkpoint = _seen_by_all(checkpoint, trainer.accelerator)
    with attention.switched(model, recipe.attention, "attention"):
        done = trainer.train(resume_from_checkpoint=checkpoint)
    trainer.accelerator.unwrap_model(trained, keep_fp32_wrapper=False)  # no bfloat16 products in what follows
    trainer.accelerator.wait_for_everyone()  # another process may still be reading the checkpoint of the best epoch
    if recipe.lora:
        if is_first():
            adapters.keep(trained, work / language_models.ADAPTER)
        adapters.merge(trained)
    history = trainer.state.log_history
    if not math.isfinite(done.training_loss):
        raise FloatingPointError("the training loss is not finite: lower the learning rate")
    curve = [{k: float(e[k]) for k in _SHOWN if k in e} for e in history]
    kept = [point for point in curve if len(point) > 1]
    return FitResult(int(done.global_step), float(done.metrics["train_runtime"]), kept)
