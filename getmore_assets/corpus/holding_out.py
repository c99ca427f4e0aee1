"""Holding out validation and test rows of a target that has none: a tenth of train for each, by groups.

Belongs here: choosing the held-out rows. Does not: reading them, or removing train rows that overlap them
(`target.py`).

A train row that overlaps a held-out row must leave train. Rows that overlap each other form a group, and small groups
are held out whole, as long as every label keeps at least half of its rows in train. If these are not enough, single
rows of larger groups are held out, and the rows that overlap them leave train.
"""

from collections import Counter
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.corpus.identity import sampling_number
from getmore_assets.corpus.leakage import Guard

SHARE = 0.1  # of train, for each split
_BOILERPLATE_FACTORS = (10, 5, 3, 1)  # see `Guard`; tried in order until a comparison is cheap enough
_MOST_COST = 100_000_000  # of comparing the rows with each other (`Guard.cost`): about 3 s and 1 GB
_LARGEST = 0.5  # share of a split; a larger group would be most of the split
_SAMPLE = 20  # rows compared, to hold out the row that removes the fewest rows from train


def by_rows(train: pl.DataFrame, splits: list[str]) -> dict[str, pl.Series]:
    """Return the held-out rows of each split as a mask, sampled row by row, as earlier versions did.

    Args:
        train: id and label of each row.
        splits: validation, test, or both.
    """
    samples = pl.Series([sampling_number(i, "split") for i in train["id"]], dtype=pl.Float64)
    stays = train["label"].is_first_distinct() & train["label"].is_not_null()  # train keeps one row of every label
    low = {"validation": 0.0, "test": SHARE}
    return {split: samples.is_between(low[split], low[split] + SHARE, closed="left") & ~stays for split in splits}


def by_groups(train: pl.DataFrame, splits: list[str]) -> dict[str, pl.Series]:
    """Return the held-out rows of each split as a mask; rows that overlap are held out together.

    Args:
        train: id, text and label of each row.
        splits: validation, test, or both.
    """
    graph, groups = _overlaps(train)
    labels = train["label"].to_list()
    room = {label: count // 2 for label, count in Counter(labels).items()}
    size = max(1, round(SHARE * train.height))
    small = [rows for rows in groups if len(rows) <= max(1, _LARGEST * size)]
    large = [row for rows in groups if len(rows) > max(1, _LARGEST * size) for row in rows]
    free = np.ones(train.height, np.bool_)  # rows that are not held out and overlap no held-out row
    held_out = {}
    for split in splits:
        mask = np.zeros(train.height, np.bool_)

        def take(rows: list[int], mask: np.ndarray = mask) -> None:
            needs = Counter(labels[row] for row in rows)
            if all(room[label] >= count for label, count in needs.items()):
                room.update({label: room[label] - count for label, count in needs.items()})
                mask[rows] = True
                free[rows] = False
                free[graph[rows].indices] = False

        while small and mask.sum() < size:
            take(small.pop(0))
        while large and mask.sum() < size:
            sample = large[:_SAMPLE]
            costs = [int(free[graph[[row]].indices].sum()) for row in sample]
            row = sample[int(np.argmin(costs))]
            large.remove(row)
            take([row])
        held_out[split] = pl.Series(mask)
    return held_out


def _overlaps(train: pl.DataFrame) -> tuple[Any, list[list[int]]]:
    """Return a sparse matrix of the rows that overlap, and its connected components in order of a hash of ids."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    first = train.select("id").with_row_index("row").group_by("id").agg(pl.col("row").min(), rows=pl.col("row"))
    pairs = first.explode("rows").select(pl.col("row").cast(pl.Int64), of=pl.col("rows").cast(pl.Int64))
    texts = train.select("id", "text", split=pl.lit("train"))
    guards = (Guard(texts, factor) for factor in _BOILERPLATE_FACTORS)
    if guard := next((guard for guard in guards if guard.cost() <= _MOST_COST), None):  # else only equal rows are pairs
        pairs = pl.concat([pairs, guard.pairs(texts).cast(pl.Int64)])
    rows, of = (np.concatenate([pairs[a], pairs[b]]) for a, b in (("row", "of"), ("of", "row")))
    graph = csr_array((np.ones(len(rows), np.bool_), (rows, of)), (train.height, train.height))
    _, component = connected_components(graph, directed=False)
    samples = [sampling_number(id_, "split") for id_ in train["id"]]
    groups: dict[int, list[int]] = {}
    for row in sorted(range(train.height), key=lambda row: (samples[row], row)):
        groups.setdefault(int(component[row]), []).append(row)
    return graph, list(groups.values())
