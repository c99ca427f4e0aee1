"""The reach of a model: whether it attends to later tokens or to other texts, and how many positions it has.

Belongs here: measuring these on a model. Does not: the training step that is tried (`one_step.py`).
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from getmore_assets.errors import BadInput
from getmore_assets.training.blocks import Blocks

# Every tokenizer knows the script of some of these.
SAMPLE_TEXTS = [
    "Two cells divide, and 4 cells grow.",
    "def f(x): return x + 1",
    "细胞分裂。",
    "細胞が分裂する。",
    "الخلايا تنقسم",
    "เซลล์แบ่งตัว",
    "कोशिका विभाजन",
]
SHORT = 16  # tokens of a block in steps that compute logits


@torch.inference_mode()
def require_direction(model: Any, tokenizer: Any, objective: str, named: str) -> None:
    """Refuse a causal model that sees later tokens, and a masked one that does not.

    Args:
        model: A model with a language-modelling head.
        tokenizer: The model's fast tokenizer.
        objective: causal or masked.
        named: The field of the task file that sets the objective.

    Raises:
        BadInput: The model does not match the objective.
    """
    one = Blocks(SAMPLE_TEXTS, tokenizer, SHORT)[0]["input_ids"][None]
    two = one.clone()
    two[0, -1] = (two[0, -1] + 1) % int(one.max())
    try:  # in double precision, because the effect of a later token may be small
        first, second = _early_logits(copy.deepcopy(model).double(), one, two)
    except RuntimeError:  # torch lacks some products in double precision
        first, second = _early_logits(model, one, two)
    sees = bool((first - second).abs().max() > 8 * torch.finfo(first.dtype).eps * first.abs().max())
    if sees == (objective == "causal"):
        kind, other = model.config.model_type, "masked" if objective == "causal" else "causal"
        why = "read later tokens too" if sees else "do not read later tokens"
        what = f"{kind} models {why}, so they are not trained with the {objective} objective"
        raise BadInput(named, what, f"Set it to {other}, or take another model")


@torch.inference_mode()
def require_isolation(model: Any, tokenizer: Any, named: str) -> None:
    """Refuse a causal model that attends to earlier texts of a block although positions start again with each text.

    Args:
        model: A model with a language-modelling head.
        tokenizer: The model's fast tokenizer.
        named: The field of the task file that sets isolated texts.

    Raises:
        BadInput: A token's logits depend on the text before its own.
    """
    short = tokenizer.decode(tokenizer(SAMPLE_TEXTS[0], add_special_tokens=False)["input_ids"][:3])
    block = Blocks([short, *SAMPLE_TEXTS], tokenizer, SHORT, isolated=True)[0]
    ids, positions = block["input_ids"][None], block["position_ids"][None]
    at = int((positions[0] == 0).nonzero()[1])
    other = ids.clone()
    other[0, 0] = (other[0, 0] + 1) % int(ids.max())
    with uncached(model):
        first, second = (model(input_ids=one, position_ids=positions).logits[0, at:] for one in (ids, other))
    if not torch.equal(first, second):
        what = f"{model.config.model_type} models do not keep texts of a block apart by their positions"
        raise BadInput(named, what, "Set it to joined, or take another model")


@contextmanager
def uncached(model: Any) -> Iterator[None]:
    """Switch the model's key-value cache off within the context, as in training.

    With the cache, Transformers does not use the positions to recognise where texts begin.
    """
    before, model.config.use_cache = getattr(model.config, "use_cache", None), False
    try:
        yield
    finally:
        model.config.use_cache = before


@torch.inference_mode()
def require_positions(body: Any, tokenizer: Any, folder: Path, lengths: dict[str, int]) -> None:
    """Refuse a length that the body has no positions for.

    Args:
        body: The body of a model.
        tokenizer: The model's fast tokenizer.
        folder: The model's folder, for the message.
        lengths: Lengths in tokens, by field.

    Raises:
        BadInput: A length exceeds the model's positions; names the fields.
    """
    token = tokenizer(SAMPLE_TEXTS[0], add_special_tokens=False)["input_ids"][0]

    def fails(length: int) -> bool:
        try:
            body(input_ids=torch.full((1, length), token))
        except (IndexError, RuntimeError, ValueError):
            return True
        return False

    longest = max(lengths.values())
    if longest <= SHORT or not fails(longest):
        return
    low, high = 1, longest  # low works, high fails
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fails(middle) else (middle, high)
    fields = ", ".join(field for field, length in lengths.items() if length > low)
    what = f"{longest} tokens, where the model ({folder}) has positions for {low}"
    raise BadInput(fields, what, f"Set it to at most {low}")


def _early_logits(model: Any, *rows: torch.Tensor) -> list[torch.Tensor]:
    """Return the logits of the first half of each row: `[length / 2, vocabulary]`."""
    return [model(input_ids=ids).logits[0, : ids.shape[1] // 2] for ids in rows]
