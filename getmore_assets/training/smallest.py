"""The smallest configuration of a model's class.

Belongs here: which sizes are reduced. Does not: the step that is tried with such a model (`one_step.py`).
"""

import copy
from contextlib import suppress
from typing import Any


def shrunk(config: Any, heads: int | None) -> Any:
    """Return a configuration with one layer; with `heads`, also with so many heads of width 16."""
    small = copy.deepcopy(config)
    small.use_cache = False
    text = small.get_text_config()
    layers = getattr(text, "num_hidden_layers", 1)
    for name, value in list(vars(text).items()):
        if isinstance(value, list) and len(value) == layers:  # one entry a layer
            setattr(text, name, value[:1])
    sizes = {"num_hidden_layers": 1}
    if heads is not None:
        kept = getattr(text, "num_key_value_heads", None) or heads
        sizes |= {"num_attention_heads": heads, "hidden_size": 16 * heads, "intermediate_size": 32 * heads}
        sizes |= {"num_key_value_heads": min(heads, kept), "rotary_dim": 16}
        if not hasattr(text, "qk_rope_head_dim"):  # with it, heads have two parts
            sizes["head_dim"] = 16
    for name, size in sizes.items():
        if getattr(text, name, None) is not None:
            with suppress(AttributeError):  # a size that follows from others cannot be set
                setattr(text, name, size)
    return small
