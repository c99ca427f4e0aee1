"""Which rows share a batch.

Belongs here: the order of rows, and dividing batches among processes. Does not: what is in a row (`blocks.py`,
`classifier.py`), or the training (`fit.py`).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers.trainer_pt_utils import LengthGroupedSampler


class ByLength(LengthGroupedSampler):  # type: ignore[misc]
    """Rows of similar length share a step, in another random order each epoch; a resumed epoch has the same order.

    Args:
        rows: Items with `input_ids`.
        rows_a_step: Rows in a step.
        seed: Seed of the random order.
    """

    def __init__(self, rows: Dataset[Any], rows_a_step: int, seed: int) -> None:
        super().__init__(rows_a_step, rows, generator=torch.Generator())
        self._seed, self._epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch; the Trainer calls this before each one."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator.manual_seed((self._seed << 16) + self._epoch)
        order: Iterator[int] = super().__iter__()
        return order


def in_order_of_length(rows: Any) -> list[int]:
    """Return the indices of the rows, the shortest row first."""
    return sorted(range(len(rows)), key=lambda at: len(rows[at]["input_ids"]))


def shared_out(collator: Any, count: int) -> Callable[[list[Any]], dict[str, torch.Tensor]]:
    """Return a collator that pads the batch with rows until all processes get the same number of rows.

    Args:
        collator: Items to tensors, each `[rows, ...]`, `labels` among them.
        count: Number of processes.

    Returns:
        The collator; its number of rows is a multiple of `count`. Padding rows have labels of -100, so no loss.
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
