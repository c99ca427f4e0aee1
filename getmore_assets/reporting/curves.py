"""A scorecard's curves: the main metric by labels, by share of the budget, by slice of the pool.

Belongs here: the points of each curve, and the sentence about nearness. Does not: the sentence about label efficiency
(`label_efficiency.py`), or drawing (`figures.py`).
"""

from dataclasses import dataclass

import polars as pl

from getmore_assets.config import NONE, UNSELECTED, Task
from getmore_assets.reporting import statistics
from getmore_assets.reporting.label_efficiency import label_efficiency
from getmore_assets.reporting.statistics import HIGHER_IS_BETTER, Interval, interval

QUANTILE = "quantile "  # prefix of the "selector" of a run on a slice of the pool; then the slice, 1 for the nearest
_LEAST_CORRELATION = 0.7  # between nearness and quality; below it, distances mean little


@dataclass(frozen=True)
class Curve:
    """A curve of a metric.

    Attributes:
        name: labels, budgets or quantiles.
        x_label: The label of the x axis.
        points: The points of each selector: x, interval of the metric.
        sentence: A sentence about the curve, or None.
    """

    name: str
    x_label: str
    points: dict[str, list[tuple[float, Interval]]]
    sentence: str | None = None


def curves(task: Task, scores: pl.DataFrame, measured: pl.DataFrame, rows: int) -> list[Curve]:
    """Return the curves of a task.

    Args:
        task: The task.
        scores: The scorecard, which has the results with all labels and the whole budget.
        measured: The results with fewer labels (column `labels`; more than `rows` count as `rows`), on shares of the
            budget (column `share`), and on slices.
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
        by_slice = points_by(slices.with_columns(selector=pl.lit("slice")), "slice", metric)
        nearness = nearer_is_better(by_slice["slice"], metric)
        lines.append(Curve("quantiles", "slice of the pool, nearest first", by_slice, nearness))
    every = every.filter(~sliced)
    if task.curves.budgets:
        of_budget = every.filter((pl.col("labels") == full["labels"][0]) & ~pl.col("selector").is_in(UNSELECTED))
        lines.append(Curve("budgets", "share of the budget", points_by(of_budget, "share", metric)))
    if task.curves.labels:
        of_labels = every.filter((pl.col("share") == 1) & pl.col("selector").is_in([chosen, NONE]))
        by_labels = points_by(of_labels, "labels", metric)
        efficiency = label_efficiency(by_labels, of_labels, metric, chosen) if NONE in task.unselected else None
        lines.append(Curve("labels", "labelled rows of the target", by_labels, efficiency))
    return lines


def points_by(scores: pl.DataFrame, column: str, metric: str) -> dict[str, list[tuple[float, Interval]]]:
    """Return the points of each selector, ordered: value of a column, interval of the metric."""
    points: dict[str, list[tuple[float, Interval]]] = {}
    for (selector, at), part in scores.sort(column).group_by("selector", column, maintain_order=True):
        points.setdefault(str(selector), []).append((float(at), interval(part.sort("seed")[metric].to_list())))
    return points


def nearer_is_better(slices: list[tuple[float, Interval]], metric: str) -> str:
    """Return a sentence on whether warming up on nearer slices of the pool is better, by Spearman's correlation."""
    from scipy.stats import spearmanr

    sign = 1 if metric in HIGHER_IS_BETTER else -1
    numbers, means = zip(*((number, sign * value.mean) for number, value in slices), strict=True)
    rho = float(spearmanr(numbers, means).statistic)
    result = "nearer is better here"
    if rho > -_LEAST_CORRELATION:
        result = "nearer is not better here: another encoder may fit this target"
    return f"{result}: Spearman {-rho:.2f} of nearness and {metric} over {len(slices)} slices of the pool"
