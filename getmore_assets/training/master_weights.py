"""AdamW on float32 masters of weights that a model holds in bfloat16.

Belongs here: the optimizer, and exchanging weights for masters. Does not: when a recipe asks for it (`trainer.py`), or
sharded weights, whose shards are the masters (`sharded.py`).

A step is often smaller than half the distance between two bfloat16 numbers, about 0.4 % of the weight: without masters
it would be lost.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class MasterAdamW(torch.optim.AdamW):
    """AdamW that takes a model's weights over as float32 masters, and leaves the model with bfloat16 copies.

    Args:
        groups: Groups of parameters, as of AdamW.
        kwargs: Settings of AdamW.
    """

    def __init__(self, groups: list[dict[str, Any]], **kwargs: Any) -> None:
        self._pairs: list[tuple[nn.Parameter, nn.Parameter]] = []
        super().__init__(
            [{**group, "params": [self._take(weight) for weight in group["params"]]} for group in groups], **kwargs
        )

    def _take(self, weight: nn.Parameter) -> nn.Parameter:
        master = nn.Parameter(weight.data.float())
        weight.data = weight.data.bfloat16()
        self._pairs.append((weight, master))
        return master

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Make a step on the masters with the gradients of the weights, and copy the masters to the weights."""
        for weight, master in self._pairs:
            master.grad = None if weight.grad is None else weight.grad.float()
            weight.grad = None
        loss = super().step(closure)
        for weight, master in self._pairs:
            weight.copy_(master)
            master.grad = None
        return loss

    def exchange(self) -> None:
        """Give the masters to the model and take its weights instead; a second call takes that back."""
        for weight, master in self._pairs:
            weight.data, master.data = master.data, weight.data
