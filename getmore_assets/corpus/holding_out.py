"""Splits that a target does not bring: a tenth of train for each, rows that overlap kept together.

Belongs here: which rows are held out. Does not: reading them, or taking out what overlaps all the same (`target.py`).

A row that overlaps a held-out one must leave train, so a set of near-duplicates that is torn apart costs rows. Sets are
therefore held out whole, as long as they are small and leave every label at least half of its rows. Where they are not
enough, single rows of larger sets are held out, and what overlaps them leaves train.
"""

from collections import Counter
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.corpus.identity import draw
from getmore_assets.corpus.leakage import Guard

SHARE = 0.1  # of train, for each split
_WHOLE = (10, 5, 3, 1)  # how many times the rows of a split train is: what counts as boilerplate grows with it
_MOST_COST = 100_000_000  # of holding the rows against each other: about 3 s, and 1 GB
_LARGEST = 0.5  # of a split: a larger set of rows that overlap would be most of what is evaluated on
_CHOICE = 20  # rows drawn, of which the one is held out that costs train the fewest rows


def by_rows(train: pl.DataFrame, splits: list[str]) -> dict[str, pl.Series]:
    """The rows that are held out for each split, drawn one by one; how lakes of earlier versions were split.

    Args:
        train: id and label of each row.
        splits: validation, test, or both.
    """
    drawn = pl.Series([draw(i, "split") for i in train["id"]], dtype=pl.Float64)
    once = train["label"].is_first_distinct() & train["label"].is_not_null()  # train keeps one row of every label
    low = {"validation": 0.0, "test": SHARE}
    return {split: drawn.is_between(low[split], low[split] + SHARE, closed="left") & ~once for split in splits}


def by_groups(train: pl.DataFrame, splits: list[str]) -> dict[str, pl.Series]:
    """The rows that are held out for each split, as a mask over train; rows that overlap are held out together.

    Args:
        train: id, text and label of each row.
        splits: validation, test, or both.
    """
    graph, sets = _overlaps(train)
    labels = train["label"].to_list()
    room = {label: count // 2 for label, count in Counter(labels).items()}
    wanted = max(1, round(SHARE * train.height))
    small = [rows for rows in sets if len(rows) <= max(1, _LARGEST * wanted)]
    large = [row for rows in sets if len(rows) > max(1, _LARGEST * wanted) for row in rows]
    free = np.ones(train.height, np.bool_)  # neither held out nor overlapping what is
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

        while small and mask.sum() < wanted:
            take(small.pop(0))
        while large and mask.sum() < wanted:
            some = large[:_CHOICE]
            costs = [int(free[graph[[row]].indices].sum()) for row in some]
            row = some[int(np.argmin(costs))]
            large.remove(row)
            take([row])
        held_out[split] = pl.Series(mask)
    return held_out


def _overlaps(train: pl.DataFrame) -> tuple[Any, list[list[int]]]:
    """Which rows overlap, as a sparse matrix, and the sets of rows that hang together, in an order drawn by content."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    first = train.select("id").with_row_index("row").group_by("id").agg(pl.col("row").min(), rows=pl.col("row"))
    pairs = first.explode("rows").select(pl.col("row").cast(pl.Int64), of=pl.col("rows").cast(pl.Int64))
    texts = train.select("id", "text", split=pl.lit("train"))
    guards = (Guard(texts, whole) for whole in _WHOLE)
    if guard := next((one for one in guards if one.cost() <= _MOST_COST), None):  # else all that is equal is together
        pairs = pl.concat([pairs, guard.pairs(texts).cast(pl.Int64)])
    rows, of = (np.concatenate([pairs[one], pairs[other]]) for one, other in (("row", "of"), ("of", "row")))
    graph = csr_array((np.ones(len(rows), np.bool_), (rows, of)), (train.height, train.height))
    _, component = connected_components(graph, directed=False)
    draws = [draw(id_, "split") for id_ in train["id"]]
    sets: dict[int, list[int]] = {}
    for row in sorted(range(train.height), key=lambda row: (draws[row], row)):
        sets.setdefault(int(component[row]), []).append(row)
    return graph, list(sets.values())
