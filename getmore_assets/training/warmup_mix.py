"""The texts mixed into a warm-up: target train and random rows of the pool, beside the selected rows.

Belongs here: the share of each in the blocks of one data set. Does not: packing a text into blocks (`blocks.py`), or
where texts come from.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from getmore_assets.config import WarmUp
from getmore_assets.errors import BadInput
from getmore_assets.training.blocks import Blocks

log = logging.getLogger(__name__)

_REPEATS = 3  # times that a row of the target is read; more would be learned by heart
_TOKENS_PER_ROW = 64  # a first guess


@dataclass(frozen=True)
class OtherTexts:
    """The texts mixed into a warm-up beside the selected texts.

    Attributes:
        target: Target train.
        pool: Returns the given number of random texts of the pool, or all. A larger number begins with the same texts.
    """

    target: list[str]
    pool: Callable[[int], list[str]]


def mixed_blocks(texts: list[str], others: OtherTexts, tokenizer: Any, recipe: WarmUp, most: int | None) -> Blocks:
    """Return the blocks of a warm-up: as many as the selected texts fill alone, divided by the shares of the recipe.

    Args:
        texts: The selected texts, in order.
        others: The other texts.
        tokenizer: A fast tokenizer.
        recipe: The settings, among them `replay` and `target_share` (of curated task-adaptive pre-training, Gururangan
            et al., ACL 2020).
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
        parts.append(_whole(packed(others.target * _REPEATS, of_target), recipe, "warmup.target_share", "target train"))
        if len(parts[0]) < of_target:
            log.warning("target train fills %d blocks in %d rounds, not %d", len(parts[0]), _REPEATS, of_target)
    if of_pool:
        parts.append(_whole(_of_pool(others, packed, of_pool, recipe.max_length), recipe, "warmup.replay", "the pool"))
    selected = packed(texts, total - sum(len(part) for part in parts))
    log.info("%d blocks of selected text, %s", len(selected), [len(part) for part in parts])
    return Blocks.joined([selected, *parts])


def _of_pool(others: OtherTexts, packed: Callable[[list[str], int], Blocks], blocks: int, length: int) -> Blocks:
    rows = blocks * length // _TOKENS_PER_ROW + 1
    while True:
        texts = others.pool(rows)
        from_pool = packed(texts, blocks)
        if len(from_pool) == blocks or len(texts) < rows:
            return from_pool
        rows *= 2


def _whole(blocks: Blocks, recipe: WarmUp, field: str, named: str) -> Blocks:
    if blocks.tokens < recipe.max_length:
        what = f"{named} fills no block of {recipe.max_length} tokens"
        raise BadInput(field, what, f"Take {field} out, or lower warmup.max_length")
    return blocks
