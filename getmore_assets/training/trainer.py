"""The Transformers Trainer with this project's loss, order of rows, validation and state of the optimizer.

Belongs here: what differs from the Trainer, if each process has the whole model. Does not: its arguments, checkpoints
and callbacks (`fit.py`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast
from torch.nn.functional import cross_entropy
from transformers import Trainer

from getmore_assets.ranks import is_first
from getmore_assets.training import language_models, optimizer_state
from getmore_assets.training.batches import ByLength, in_order_of_length
from getmore_assets.training.master_weights import MasterAdamW


def mean_loss(shifted: bool) -> Callable[..., torch.Tensor]:
    """Return a loss that is the mean over all labels of a step; some models' own loss is a mean of batch means.

    Args:
        shifted: Whether a token is predicted from the tokens before it (causal); False for masked tokens and classes.

    Returns:
        Takes outputs and labels (`[rows, length]` or `[rows]`), returns the loss: `[]`, float32.
    """

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs.logits
        if shifted:
            logits, labels = logits[:, :-1], labels[:, 1:]
        elif labels.dim() == 2:
            masked = labels.ne(-100)
            logits, labels = language_models.told_at(logits, masked), labels[masked]
        flat = labels.flatten()
        total = cross_entropy(logits.flatten(0, -2).float(), flat, reduction="sum")
        return total / (flat.ne(-100).sum() if num_items_in_batch is None else num_items_in_batch)

    return loss


class FitTrainer(Trainer):  # type: ignore[misc]
    """The Trainer, except that rank 0 evaluates all of validation, so its batches do not depend on the process count.

    For a classifier, rows of similar length share a batch, and validation reports accuracy and loss. With `bfloat16`
    the model holds its weights in bfloat16 during the training; its checkpoints have the float32 masters.
    """

    control: Any
    model: Any
    _masters: MasterAdamW | None
    optimizer: Any
    evaluates_alone = True  # rank 0 evaluates, and the other processes wait

    def __init__(self, *args: Any, classifies: bool, bfloat16: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bfloat16, self._masters = bfloat16, None
        self._classifies = classifies
        self._masked = not classifies and not self.model.can_generate()

    def create_optimizer(self, model: Any = None) -> Any:
        """Return the optimizer; with `bfloat16`, it takes the weights over as masters."""
        if not self._bfloat16:
            return super().create_optimizer(model)
        self._dtypes = [(weight, weight.dtype) for weight in self.model.parameters()]
        for weight, _ in self._dtypes:
            if not weight.requires_grad:
                weight.data = weight.data.bfloat16()
        _, settings = self.get_optimizer_cls_and_kwargs(self.args)
        self.optimizer_cls_and_kwargs = MasterAdamW, settings
        self._masters = super().create_optimizer(model)
        return self._masters

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train; at the end the model is whole again, in the dtype it had before."""
        done = super().train(*args, **kwargs)
        self._restore()
        return done

    def _load_best_model(self) -> None:
        self._restore()
        super()._load_best_model()

    def _restore(self) -> None:
        if self._masters is None:
            return
        self._masters.exchange()
        for weight, dtype in self._dtypes:
            weight.data = weight.data.to(dtype)
        self._masters = None

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the model with the masters of its weights."""
        if self._masters is None:
            super().save_model(output_dir, _internal_call)
            return
        self._masters.exchange()
        super().save_model(output_dir, _internal_call)
        self._masters.exchange()

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Return the loss; a masked model computes logits only at the masked tokens."""
        if not self._masked:
            return super().compute_loss(model, inputs, *args, **kwargs)
        with language_models.only_at(self.model, inputs["labels"].ne(-100)):
            return super().compute_loss(model, inputs, *args, **kwargs)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if not self._classifies:
            return super()._get_train_sampler(train_dataset)
        rows_a_step = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return ByLength(self.train_dataset if train_dataset is None else train_dataset, rows_a_step, self.args.seed)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return loss, and accuracy of a classifier, on validation."""
        rows, size = len(self.eval_dataset), self.args.per_device_eval_batch_size
        loss, right = (torch.zeros((), device=self.args.device) for _ in range(2))
        if is_first() or not self.evaluates_alone:
            self.model.eval()
            order = in_order_of_length(self.eval_dataset) if self._classifies else range(rows)
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)  # the same masks each epoch: else the best epoch may be the luckiest
                for start in range(0, rows, size):
                    items = [self.eval_dataset[at] for at in order[start : start + size]]
                    batch = self._prepare_inputs(self.data_collator(items))
                    labels = batch["labels"]  # compute_loss removes them from the batch
                    mean, outputs = self.compute_loss(self.model, batch, return_outputs=True)
                    loss += mean * len(items) / rows
                    if self._classifies:
                        right += outputs.logits.argmax(-1).eq(labels).sum() / rows
        metrics = {"eval_loss": float(broadcast(loss))}
        if self._classifies:
            metrics["eval_accuracy"] = float(broadcast(right))
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        optimizer_state.write(self.optimizer, self.lr_scheduler, Path(output_dir))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            optimizer_state.read(self.optimizer, self.lr_scheduler, Path(checkpoint))
