"""Training with weights, gradients and optimizer states sharded over processes: torch's `fully_shard` (FSDP2).

Belongs here: sharding a model, gathering its weights, and sending them to all processes. Does not: processes that hold
the whole model (`trainer.py`), or the state of the optimizer (`optimizer_state.py`). The Trainer's own FSDP has no
effect on CPUs, so it is not used.
"""

import copy
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from accelerate.utils import broadcast
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from transformers import TrainingArguments

from getmore_assets.ranks import is_first, processes
from getmore_assets.training.trainer import FitTrainer


class ShardedTrainer(FitTrainer):
    """The trainer of a sharded copy of the model.

    The given model has no weights during the training, and the trained weights in every process at the end. A
    checkpoint has the whole weights and optimizer states, as with a single process, so either training can resume from
    a checkpoint of the other.
    """

    evaluates_alone = False  # each forward pass gathers weights from all processes

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._whole = self.model
        self.accelerator.prepare_model = partial(self.accelerator.prepare_model, evaluation_mode=True)  # without DDP
        # Autograd would keep the whole copy that autocast makes of each weight: FSDP itself gathers bfloat16 instead.
        self.accelerator.native_amp = False

    def _move_model_to_device(self, model: Any, _: torch.device) -> None:
        model.cpu()  # a GPU gets its shard only

    def create_optimizer(self, model: Any = None) -> Any:
        """Shard the model, which has the weights of the checkpoint by now, and return the optimizer of the shards."""
        self.model = self.model_wrapped = _sharded(self._whole, self.args, self._bfloat16)
        _release(self._whole)
        self._bfloat16 = False  # the shards are the masters
        return super().create_optimizer(model)

    def _restore(self) -> None:
        if self.model is not self._whole:
            self._gather(everywhere=True)
            self.model = self.model_wrapped = self._whole

    def _gather(self, *, everywhere: bool) -> None:
        """Copy the trained weights to the given model, in all processes or only in rank 0."""
        for whole, shard in zip(self._whole.parameters(), self.model.parameters(), strict=True):
            weights = shard.detach().full_tensor().to("cpu", whole.dtype)
            if everywhere or is_first():
                whole.data = weights

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the whole model, in the process of rank 0."""
        self._gather(everywhere=False)
        shards, self.model = self.model, self._whole
        super().save_model(output_dir, _internal_call)
        self.model = shards
        _release(self._whole)


def take_from_first(weights: Iterable[nn.Parameter], device: torch.device) -> None:
    """Give weights the values that they have in rank 0; every process must call this, with weights on the CPU."""
    for weight in weights:
        weight.data = broadcast(weight.data.to(device)).cpu()


def _sharded(model: Any, arguments: TrainingArguments, bfloat16: bool) -> Any:
    """Return a copy of the model with its weights sharded, each block of layers by itself.

    Weights that are trained start as those of rank 0: new ones (adapters) may have been drawn differently elsewhere.

    Args:
        model: The model; it keeps its weights.
        arguments: The device, and whether products are bfloat16.
        bfloat16: Whether shards of frozen weights are bfloat16; those of trained ones are float32.
    """
    device, products = arguments.device, torch.bfloat16 if arguments.bf16 else None
    take_from_first((weight for weight in model.parameters() if weight.requires_grad), device)
    shared: dict[int, nn.Parameter] = {}
    for weight in model.parameters():
        numbers = weight.data.bfloat16() if bfloat16 and not weight.requires_grad else weight.data
        shared[id(weight)] = nn.Parameter(numbers, weight.requires_grad)
    copied = copy.deepcopy(model, shared)
    precision = MixedPrecisionPolicy(param_dtype=products, reduce_dtype=products and torch.float32)
    mesh = init_device_mesh(device.type, (processes(),))
    for module in (*_blocks(copied), copied):
        fully_shard(module, mesh=mesh, reshard_after_forward=True, mp_policy=precision)
    return copied


def _blocks(model: Any) -> list[Any]:
    """Return the modules that are sharded by themselves, inner ones first: those that Transformers does not split.

    A module with tied weights is left out: modules that share weights must be sharded together, with the whole model.
    """
    names = {name for module in model.modules() for name in getattr(module, "_no_split_modules", None) or ()}
    often = Counter(id(weight) for _, weight in model.named_parameters(remove_duplicate=False))
    found = [module for module in model.modules() if module is not model and type(module).__name__ in names]
    return [module for module in reversed(found) if all(often[id(weight)] == 1 for weight in module.parameters())]


def _release(model: Any) -> None:
    """Free the weights of a model; its structure stays."""
    for weight in model.parameters():
        weight.data = weight.data.new_empty(0)
