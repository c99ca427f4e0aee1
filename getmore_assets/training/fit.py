"""One call of the Transformers Trainer, the same for every training there is here.

Belongs here: recipe to arguments, checkpoints, resume, early stopping. Does not: what is trained on what.
"""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import logging as transformers_logging

from getmore_assets.config import Training
from getmore_assets.device import best_device, compute_dtype
from getmore_assets.progress import progress

_SAVES = 4  # checkpoints in one training without evaluation
_LOGS = 20


@dataclass
class Fitted:
    """What a training left to report: steps, seconds, and the curve (step, loss or eval_loss)."""

    steps: int
    seconds: float
    curve: list[dict[str, float]]


class _Progress(TrainerCallback):  # type: ignore[misc]
    """One line of progress with the loss and the time left, in a terminal and in a log alike."""

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
    """The last checkpoint, once those that a kill left half-written (their state comes last) are deleted."""
    for folder in work.glob("checkpoint-*"):
        if not (folder / "trainer_state.json").is_file():
            shutil.rmtree(folder)
    return get_last_checkpoint(str(work)) if work.is_dir() else None


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
) -> Fitted:
    """Train a model in place.

    Args:
        model: A Transformers model.
        train: Items the collator takes.
        recipe: Epochs, learning rate and so on.
        seed: Of the order of the data and of dropout.
        work: Checkpoints; those of a training that was cut off are gone on from. The caller deletes them once it has
            kept what came of them.
        collator: Items to a batch.
        name: Shown beside the progress.
        validation: Watched once an epoch; the weights of the epoch where its loss is lowest are kept.
        patience: Epochs without a better validation loss before stopping.
    """
    steps = recipe.steps(len(train))  # type: ignore[arg-type]
    watched, device = validation is not None, best_device()
    arguments = TrainingArguments(
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
        load_best_model_at_end=watched,
        metric_for_best_model="eval_loss" if watched else None,
        logging_steps=max(1, steps // _LOGS),
        bf16=compute_dtype(recipe.dtype, device) == torch.bfloat16,
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=device.type == "cuda",
        report_to=[],
        logging_nan_inf_filter=False,
    )
    transformers_logging.disable_progress_bar()  # of reading and writing weights
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=collator,
        callbacks=[_Progress(name), *([EarlyStoppingCallback(patience)] if watched and patience else [])],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    done = trainer.train(resume_from_checkpoint=_last_whole_checkpoint(work))
    history = trainer.state.log_history
    if not math.isfinite(done.training_loss):
        raise FloatingPointError("the training loss is not finite: lower the learning rate")
    curve = [{k: float(e[k]) for k in ("step", "loss", "eval_loss") if k in e} for e in history]
    kept = [point for point in curve if len(point) > 1]
    return Fitted(int(done.global_step), float(done.metrics["train_runtime"]), kept)
