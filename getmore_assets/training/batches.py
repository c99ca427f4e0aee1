"""Which rows share a batch.

Belongs here: order and shares of batches. Does not: what is in a row (`blocks.py`, `classifier.py`), or the training
(`fit.py`).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers.trainer_pt_utils import LengthGroupedSampler


class ByLength(LengthGroupedSampler):  # type: ignore[misc]
    """Rows of about one length in a step, another draw each epoch; an epoch that is gone on with has the same one.

    Args:
        rows: Items with `input_ids`.
        rows_a_step: How many.
        seed: Of the draws.
    """

    def __init__(self, rows: Dataset[Any], rows_a_step: int, seed: int) -> None:
        super().__init__(rows_a_step, rows, generator=torch.Generator())
        self._seed, self._epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """The Trainer says which epoch comes."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator.manual_seed((self._seed << 16) + self._epoch)
        order: Iterator[int] = super().__iter__()
        return order


def in_order_of_length(rows: Any) -> list[int]:
    """Places of the rows, the shortest first."""
    return sorted(range(len(rows)), key=lambda at: len(rows[at]["input_ids"]))


def shared_out(collator: Any, count: int) -> Callable[[list[Any]], dict[str, torch.Tensor]]:
    """Batches that so many processes can share equally: rows that fill up the last one count for nothing.

    Args:
        collator: Items to tensors, each `[rows, ...]`, `labels` among them.
        count: Processes.

    Returns:
        The same, with rows a multiple of `count`; those that were added have labels of -100.
    """

    def collate(items: list[Any]) -> dict[str, torch.Tensor]:
        batch = dict(collator(items))
        lacking = -len(items) % count
        if lacking:
            for name, rows in batch.items():
                batch[name] = torch.cat([rows, rows[-1:].expand(lacking, *rows.shape[1:])])
            batch["labels"][-lacking:] = -100
        return batch

    return collate
