"""A scorecard's curves: the main metric by labels, by share of the budget, by slice of the pool.

Belongs here: the points of each curve, and a sentence. Does not: drawing (`figures.py`).
"""

from dataclasses import dataclass

import polars as pl

from getmore_assets.config import NONE, UNSELECTED, Task
from getmore_assets.reporting import along, statistics
from getmore_assets.reporting.statistics import Interval

QUANTILE = "quantile "  # with a number from 1, nearest first: the "selector" of a run on a slice of the pool


@dataclass(frozen=True)
class Curve:
    """A curve of a metric.

    Attributes:
        name: labels, budgets or quantiles.
        along: The label of the x axis.
        points: The points of each selector: x, interval of the metric.
        said: A sentence about the curve, or None.
    """

    name: str
    along: str
    points: dict[str, list[tuple[float, Interval]]]
    said: str | None = None


def curves(task: Task, scores: pl.DataFrame, measured: pl.DataFrame, rows: int) -> list[Curve]:
    """Return the curves of a task.

    Args:
        task: The task.
        scores: The scorecard, which has the results with all labels and the whole budget.
        measured: The results with fewer labels (`labels`, at most `rows` count), on shares of the budget (`share`), and
            on slices.
        rows: Number of rows of target train.
    """
    chosen, metric = task.selection.called, statistics.main_metric(scores)
    full = scores.with_columns(labels=pl.lit(min(task.finetune.rows or rows, rows)), share=pl.lit(1.0))
    counted = measured.with_columns(pl.col("labels").fill_null(rows).clip(upper_bound=rows))
    every = pl.concat([full, counted], how="diagonal_relaxed")
    every = every.unique(["selector", "seed", "labels", "share"], keep="first", maintain_order=True)
    sliced, lines = pl.col("selector").str.starts_with(QUANTILE), []
    if task.curves.quantiles:
        slices = every.filter(sliced).with_columns(slice=pl.col("selector").str.split(" ").list.last().cast(pl.Int64))
        by_slice = along.curve(slices.with_columns(selector=pl.lit("slice")), "slice", metric)
        sentence = along.nearer_is_better(by_slice["slice"], metric)
        lines.append(Curve("quantiles", "slice of the pool, nearest first", by_slice, sentence))
    every = every.filter(~sliced)
    if task.curves.budgets:
        of_budget = every.filter((pl.col("labels") == full["labels"][0]) & ~pl.col("selector").is_in(UNSELECTED))
        lines.append(Curve("budgets", "share of the budget", along.curve(of_budget, "share", metric)))
    if task.curves.labels:
        of_labels = every.filter((pl.col("share") == 1) & pl.col("selector").is_in([chosen, NONE]))
        by_labels = along.curve(of_labels, "labels", metric)
        saved = along.labels_saved(of_labels, metric, chosen) if NONE in task.unselected else None
        lines.append(Curve("labels", "labelled rows of the target", by_labels, saved))
    return lines
