"""A scorecard's curves: the judged metric by labels, by share of the budget, by slices of the pool.

Belongs here: from results to points and words. Does not: drawing them.
"""

from dataclasses import dataclass

import polars as pl

from getmore_assets.config import NONE, UNSELECTED, Task
from getmore_assets.reporting import along, statistics
from getmore_assets.reporting.statistics import Interval

QUANTILE = "quantile "  # and a number from 1, nearest first: what stands for a selector where a slice is warmed up on


@dataclass(frozen=True)
class Curve:
    """A metric along something.

    Attributes:
        name: labels, budgets or quantiles.
        along: What it is along, in words.
        points: Selector → (value, interval of the metric).
        said: What it says, in words, where it says something.
    """

    name: str
    along: str
    points: dict[str, list[tuple[float, Interval]]]
    said: str | None = None


def curves(task: Task, scores: pl.DataFrame, measured: pl.DataFrame, rows: int) -> list[Curve]:
    """The curves that a task asks for.

    Args:
        task: Its curves, selectors and fine-tuning count.
        scores: The scorecard: with all labels and the whole budget.
        measured: Results with fewer labels (`labels`; as many as there are where it says more), on shares of the budget
            (`share`), and of slices.
        rows: Of target train.
    """
    chosen, metric = task.selection.called, statistics.main_metric(scores)
    full = scores.with_columns(labels=pl.lit(min(task.finetune.rows or rows, rows)), share=pl.lit(1.0))
    counted = measured.with_columns(pl.col("labels").fill_null(rows).clip(upper_bound=rows))
    every = pl.concat([full, counted], how="diagonal_relaxed")
    every = every.unique(["selector", "seed", "labels", "share"], keep="first", maintain_order=True)
    sliced, found = pl.col("selector").str.starts_with(QUANTILE), []
    if task.curves.quantiles:
        slices = every.filter(sliced).with_columns(slice=pl.col("selector").str.split(" ").list.last().cast(pl.Int64))
        by_slice = along.curve(slices.with_columns(selector=pl.lit("slice")), "slice", metric)
        said = along.nearer_is_better(by_slice["slice"], metric)
        found.append(Curve("quantiles", "slice of the pool, nearest first", by_slice, said))
    every = every.filter(~sliced)
    if task.curves.budgets:
        of_budget = every.filter((pl.col("labels") == full["labels"][0]) & ~pl.col("selector").is_in(UNSELECTED))
        found.append(Curve("budgets", "share of the budget", along.curve(of_budget, "share", metric)))
    if task.curves.labels:
        of_labels = every.filter((pl.col("share") == 1) & pl.col("selector").is_in([chosen, NONE]))
        by_labels = along.curve(of_labels, "labels", metric)
        saved = along.labels_saved(of_labels, metric, chosen) if NONE in task.unselected else None
        found.append(Curve("labels", "labelled rows of the target", by_labels, saved))
    return found
