"""The memory that a training will take, estimated before it starts.

Belongs here: the estimate from a model and a recipe, and refusing what cannot fit. Does not: measuring it
(`benchmarks/training_memory.py`), or the training (`fit.py`).
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from transformers import PreTrainedModel

from getmore_assets.config import Strategy, Training
from getmore_assets.device import best_device, compute_dtype
from getmore_assets.errors import BadInput
from getmore_assets.ranks import processes_here
from getmore_assets.training.language_models import MASKED_SHARE

log = logging.getLogger(__name__)

GIB = 2**30
_LARGE = 2 * GIB  # smaller trainings are not planned
_MOMENTS = 2  # of AdamW, in float32
_FLOAT_LOGITS = 3  # float32 logits, their softmax and its gradient
_PARTS = ("weights", "gradients", "optimizer", "activations")
_SMALLER = "Take a smaller model, add `lora`, or shard its training with `launch.train.strategy: fsdp`"
_FEWER = "lower `batch_size` (and raise `gradient_accumulation_steps`), or set `gradient_checkpointing`"


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes that each process of a training holds.

    Attributes:
        weights: Weights, their float32 masters, and gathered shards.
        gradients: Gradients, and the buckets in which processes exchange them.
        optimizer: Moments of the trained weights.
        activations: Tensors kept for the backward pass, and the logits; tensors of eager attention are not counted.
        evaluation: The whole model in the dtype that it has before the training; not at the same time as the others.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    evaluation: int

    @property
    def training(self) -> int:
        """Bytes that are held at once in a step."""
        return self.weights + self.gradients + self.optimizer + self.activations

    @property
    def least(self) -> int:
        """Bytes that a process needs with any batch size."""
        return max(self.training - self.activations, self.evaluation)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {getattr(self, name) / GIB:.2f}" for name in _PARTS)
        return f"{self.training / GIB:.2f} GiB ({parts}), and {self.evaluation / GIB:.2f} GiB in evaluation"


def plan(model: Any, recipe: Training, processes: int = 1, strategy: Strategy = "ddp") -> MemoryPlan:
    """Return what a process of a training will hold.

    Args:
        model: The model with its adapters, on any device, also `meta`, before the training.
        recipe: The training.
        processes: Number of processes that share it.
        strategy: How they share it.
    """
    every = [(weight.numel(), weight.requires_grad) for weight in model.parameters()]
    frozen, trained = (sum(count for count, trains in every if trains == wanted) for wanted in (False, True))
    halved, sharded = recipe.weights == "bfloat16", strategy == "fsdp" and processes > 1
    shards = processes if sharded else 1
    weights = (frozen * (2 if halved else 4) + trained * 4) // shards
    if halved and not sharded:
        weights += 2 * trained  # beside the masters
    if sharded:  # the gathered weights of two blocks, this one and the next
        weights += 2 * _largest_block(model) * (2 if _products(recipe) == torch.bfloat16 else 4)
    gradients = trained * 4 // shards * (2 if processes > 1 and not sharded else 1)
    rows = math.ceil(recipe.batch_size / processes)
    kept = _activations(model, recipe, rows)
    whole = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    return MemoryPlan(weights, gradients, _MOMENTS * 4 * trained // shards, kept, whole)


def is_large(model: Any) -> bool:
    """Return whether a model's training is planned: weights, gradients and optimizer would take 2 GiB in float32."""
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return bool(12 * trained + sum(4 * weight.numel() for weight in model.parameters()) >= _LARGE)


def announce(model: Any, recipe: Training, name: str, processes: int = 1, strategy: Strategy = "ddp") -> None:
    """Say what a training of a large model will hold; see `require_room`."""
    if not is_large(model):
        return
    planned = plan(model, recipe, processes, strategy)
    log.info("%s: a process will hold about %s", name, planned)
    require_room(planned, name, processes_here())


def require_room(planned: MemoryPlan, where: str, here: int) -> None:
    """Refuse a training that cannot fit, and warn of one that may not.

    Args:
        planned: What a process holds.
        where: The place that the message names.
        here: Processes on this machine.

    Raises:
        BadInput: Even without activations it holds more than the device has.
    """
    room, device = psutil.virtual_memory().total // here, "this machine"
    if torch.cuda.is_available():
        room, device = torch.cuda.get_device_properties(0).total_memory, "the GPU"
    has = f"{device} has {room / GIB:.2f} GiB for each process"
    if planned.least > room:
        fix = _SMALLER if planned.evaluation <= room else "Take a smaller model: one process evaluates all of it"
        raise BadInput(where, f"a process needs about {planned}, and {has}", fix)
    if planned.training > room:
        log.warning("%s: a process needs about %s, and %s: %s", where, planned, has, _FEWER)


def _activations(model: Any, recipe: Training, rows: int) -> int:
    """Return the bytes kept from the forward pass for the backward pass, counted in a pass on fake tensors."""
    products, tokens = _products(recipe), rows * recipe.max_length
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cpu"):
        weights = {
            name: torch.empty(
                value.shape,
                dtype=torch.bfloat16 if recipe.weights == "bfloat16" and value.is_floating_point() else value.dtype,
                requires_grad=value.requires_grad,
            )
            for name, value in (*model.named_parameters(), *model.named_buffers())
        }
        ids = torch.ones(rows, recipe.max_length, dtype=torch.long)
        try:
            with _kept_by_autograd(weights) as kept, torch.autocast("cpu", products, enabled=products != torch.float32):
                logits = functional_call(model, weights, (), {"input_ids": ids}).logits
        except Exception as error:  # a model class can raise any error
            log.info("the activations of %s models are not counted (%s)", model.config.model_type, error)
            return 0
    found = sum(kept.values())
    if recipe.gradient_checkpointing:  # the input of each layer, and one layer at a time
        layers, width = _depth_and_width(model)
        found = found // layers + tokens * layers * width * products.itemsize
    share = 1.0 if model.can_generate() else MASKED_SHARE
    predicted = share * logits[..., 0].numel() * logits.shape[-1] if logits.dim() == 3 else 0
    return found + int(predicted * (products.itemsize + _FLOAT_LOGITS * 4))


@contextmanager
def _kept_by_autograd(weights: dict[str, torch.Tensor]) -> Iterator[dict[int, int]]:
    """Count the bytes of each storage that autograd keeps within the context, except the weights' own storage."""
    own = {weight.untyped_storage()._cdata for weight in weights.values()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield kept


def _largest_block(model: Any) -> int:
    """Return the number of weights of the largest block that is gathered at once."""
    names = {name for module in model.modules() for name in getattr(module, "_no_split_modules", None) or ()}
    sizes: list[int] = [
        sum(w.numel() for w in module.parameters()) for module in model.modules() if type(module).__name__ in names
    ]
    return max(sizes) if sizes else int(sum(weight.numel() for weight in model.parameters()))


def _depth_and_width(model: Any) -> tuple[int, int]:
    """Return the number of layers of a model's body, and the size of its hidden states."""
    configs = (module.config.get_text_config() for module in model.modules() if isinstance(module, PreTrainedModel))
    # The configuration of a `pooled.py` classifier lacks the number of layers; its body's configuration has it.
    body = next(config for config in configs if hasattr(config, "num_hidden_layers"))
    return body.num_hidden_layers, body.hidden_size


def _products(recipe: Training) -> torch.dtype:
    return torch.bfloat16 if recipe.weights == "bfloat16" else compute_dtype(recipe.dtype, best_device())
