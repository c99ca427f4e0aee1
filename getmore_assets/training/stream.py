"""What a warm-up reads: the selected rows, the target's own text and random rows of the pool, by shares of the tokens.

Belongs here: the blocks of each, in one data set. Does not: packing a text into blocks (`blocks.py`), or where texts
come from.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from getmore_assets.config import WarmUp
from getmore_assets.errors import BadInput
from getmore_assets.training.blocks import Blocks

log = logging.getLogger(__name__)

_REPEATS = 3  # of a row of the target: more would be learned by heart
_TOKENS_OF_A_ROW = 64  # a first guess


@dataclass(frozen=True)
class Beside:
    """Texts beside the selected ones.

    Attributes:
        target: Target train.
        pool: Returns so many random texts of the pool, or all; more begin with those of fewer.
    """

    target: list[str]
    pool: Callable[[int], list[str]]


def stream(texts: list[str], beside: Beside, tokenizer: Any, recipe: WarmUp, most: int | None) -> Blocks:
    """Return the blocks of a warm-up: as many as the selected texts fill alone, shared out by the recipe.

    Args:
        texts: The selected texts, in order.
        beside: The other texts.
        tokenizer: A fast tokenizer.
        recipe: Its `target_share` (of curated task-adaptive pre-training, Gururangan et al., ACL 2020) and `replay`.
        most: Limit of the number of blocks; None for all.

    Raises:
        BadInput: Target train, or the pool, does not fill a single block.
    """

    def packed(some: list[str], blocks: int | None) -> Blocks:
        return Blocks(some, tokenizer, recipe.max_length, blocks, isolated=recipe.packing == "isolated")

    total = len(packed(texts, most))
    of_target, of_pool = (round(share * total) for share in (recipe.target_share, recipe.replay))
    parts = []
    if of_target:
        parts.append(_whole(packed(beside.target * _REPEATS, of_target), recipe, "warmup.target_share", "target train"))
        if len(parts[0]) < of_target:
            log.warning("target train fills %d blocks in %d rounds, not %d", len(parts[0]), _REPEATS, of_target)
    if of_pool:
        parts.append(_whole(_of_pool(beside, packed, of_pool, recipe.max_length), recipe, "warmup.replay", "the pool"))
    selected = packed(texts, total - sum(len(part) for part in parts))
    log.info("%d blocks of selected text, %s", len(selected), [len(part) for part in parts])
    return Blocks.joined([selected, *parts])


def _of_pool(beside: Beside, packed: Callable[[list[str], int], Blocks], blocks: int, length: int) -> Blocks:
    rows = blocks * length // _TOKENS_OF_A_ROW + 1
    while True:
        texts = beside.pool(rows)
        made = packed(texts, blocks)
        if len(made) == blocks or len(texts) < rows:
            return made
        rows *= 2


def _whole(blocks: Blocks, recipe: WarmUp, field: str, named: str) -> Blocks:
    if blocks.tokens < recipe.max_length:
        what = f"{named} fills no block of {recipe.max_length} tokens"
        raise BadInput(field, what, f"Take {field} out, or lower warmup.max_length")
    return blocks
