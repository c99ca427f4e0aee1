"""Texts packed into blocks of tokens.

Belongs here: the data set on which a language model is trained. Does not: models.
"""

from array import array
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

_BATCH = 1000
_IGNORED = -100  # Transformers' label of a token that is not predicted


class Blocks(Dataset[dict[str, Any]]):
    """Texts joined end to end with a separator between them, and cut into blocks of equal length.

    There is no padding, so two selections with the same number of blocks have the same number of tokens.

    Args:
        texts: In the order in which they are packed.
        tokenizer: A fast tokenizer.
        length: Tokens in a block. Texts that are shorter in total become one shorter block.
        most: Limit of the number of blocks; None for all.
        isolated: Whether texts in a block are kept apart: positions start again at 0 with each text, so a causal model
            attends only within the text, and the first token of a text is not predicted from the text before it.
    """

    def __init__(
        self, texts: list[str], tokenizer: Any, length: int, most: int | None = None, *, isolated: bool = False
    ) -> None:
        separator = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
        first = [tokenizer.cls_token_id] if tokenizer.cls_token_id is not None else []
        body = length - len(first)
        stream = array("i")  # 4 bytes a token; a list takes 36
        starts = array("q")
        self.rows = 0
        for start in range(0, len(texts), _BATCH):
            if most is not None and len(stream) >= most * body:
                break
            for tokens in tokenizer(texts[start : start + _BATCH], add_special_tokens=False)["input_ids"]:
                if most is None or len(stream) < most * body:
                    self.rows += 1
                    starts.append(len(stream))
                    stream.extend(tokens)
                    stream.append(separator)
        count = min(len(stream) // body, most if most is not None else len(stream))
        number = max(count, 1)
        rest = np.frombuffer(stream, np.int32)[: number * body].reshape(number, -1)
        heads = np.tile(np.array(first, np.int64), (number, 1))
        self._blocks = torch.from_numpy(np.hstack([heads, rest]))
        self._positions = _positions(np.frombuffer(starts, np.int64), number, rest.shape[1]) if isolated else None

    @classmethod
    def joined(cls, parts: list["Blocks"]) -> "Blocks":
        """Return the blocks of several data sets of one length, one after the other."""
        made = cls.__new__(cls)
        made.rows = sum(part.rows for part in parts)
        made._blocks = torch.cat([part._blocks for part in parts])
        positions = [part._positions for part in parts if part._positions is not None]
        made._positions = torch.cat(positions) if positions else None
        return made

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, index: int) -> dict[str, Any]:
        tokens = self._blocks[index]
        if self._positions is None:
            return {"input_ids": tokens, "labels": tokens}
        positions = self._positions[index]
        return {"input_ids": tokens, "labels": tokens.masked_fill(positions == 0, _IGNORED), "position_ids": positions}

    @property
    def tokens(self) -> int:
        """Number of tokens in all blocks."""
        return self._blocks.numel()


def _positions(starts: np.ndarray, number: int, length: int) -> torch.Tensor:
    """Return each token's position in its text, or in its block if the text began before it: `[number, length]`.

    Args:
        starts: Index of each text's first token in the stream: `[texts]`, int64.
        number: Number of blocks.
        length: Tokens in a block.
    """
    stream = np.arange(number * length)
    began = starts[np.searchsorted(starts, stream, side="right") - 1]
    blocks = stream // length * length
    return torch.from_numpy((stream - np.maximum(began, blocks)).reshape(number, length))
