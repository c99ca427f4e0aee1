"""Which implementation computes a model's attention in training.

Belongs here: refusing an implementation that is not there, and switching to another one for a while. Does not: the
setting (`config/training.py`), or the training (`fit.py`).
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from getmore_assets.config import Attention
from getmore_assets.errors import BadInput

_FLASH = "flash_attention_2"
_OTHERWISE = "set it to sdpa, or take it out"


def require_installed(asked: Attention, field: str) -> None:
    """Refuse flash attention on a machine that cannot compute it.

    Without the package Transformers would download a kernel, which is code, from the hub.

    Raises:
        BadInput: The package flash-attn is not installed, or there is no GPU.
    """
    if asked != _FLASH:
        return
    if importlib.util.find_spec("flash_attn") is None:
        what = f"is {_FLASH}, and the package flash-attn is not installed"
        raise BadInput(field, what, f"pip install flash-attn, or {_OTHERWISE}")
    if not torch.cuda.is_available():
        raise BadInput(field, f"is {_FLASH}, and torch sees no GPU", f"Train on a machine with a GPU, or {_OTHERWISE}")


@contextmanager
def switched(model: Any, asked: Attention, field: str) -> Iterator[None]:
    """Let a model compute its attention with an implementation within the context.

    Only training is switched: flash attention has no float32, in which models are evaluated.

    Args:
        model: A Transformers model.
        asked: The implementation; auto leaves the model as it is.
        field: The field of the task file, for the message.

    Raises:
        BadInput: The architecture does not have the implementation.
    """
    body = model.base_model
    before = body.config._attn_implementation
    if asked != "auto":
        _switch(body, asked, field)
    try:
        yield
    finally:
        if asked != "auto":
            body.set_attn_implementation(before)


def _switch(body: Any, asked: Attention, field: str) -> None:
    try:
        body.set_attn_implementation(asked)
        refused = "" if body.config._attn_implementation == asked else "its class has one implementation"
    except (ValueError, ImportError) as error:
        refused = str(error).split(". ")[0]
    if refused:
        what = f"{body.config.model_type} models have no {asked} ({refused})"
        raise BadInput(field, what, "Set it to auto")
