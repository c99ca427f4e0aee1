"""Label efficiency: how many labels a selector needs to equal fine-tuning on all labels without a warm-up.

Belongs here: the sentence about it. Does not: statistics of one scorecard (`statistics.py`), or the points of the
curve by labels (`curves.py`).
"""

import polars as pl

from getmore_assets.config import NONE
from getmore_assets.reporting.statistics import COSTS, HIGHER_IS_BETTER, Interval, paired_rows


def label_efficiency(
    by_labels: dict[str, list[tuple[float, Interval]]], runs: pl.DataFrame, metric: str, name: str
) -> str:
    """Return a sentence on label efficiency: the labels that a selector needs to equal all labels without a warm-up.

    The number is interpolated between the means. It counts as shown if, at the next measured number of labels, the
    selector is better than the same labels without a warm-up, paired by seed. The sentence also has the gain over all
    labels without a warm-up, and the seconds of both.

    Args:
        by_labels: The points of `name` and `NONE`, ordered: number of labels, interval of the metric.
        runs: The runs of these points: selector, seed, labels, the metric and the seconds of `COSTS`.
        metric: The main metric.
        name: The selector.
    """
    sign, better = (1, "higher") if metric in HIGHER_IS_BETTER else (-1, "lower")
    all_labels, baseline = by_labels[NONE][-1]
    gaps = [(labels, sign * (value.mean - baseline.mean)) for labels, value in by_labels[name]]
    labels, gap = next(((labels, gap) for labels, gap in gaps if gap >= 0), gaps[-1])

    def runs_of(selector: str, count: float) -> pl.DataFrame:
        return runs.filter((pl.col("selector") == selector) & (pl.col("labels") == count))

    warmed, same_labels, without = runs_of(name, labels), runs_of(NONE, labels), runs_of(NONE, all_labels)
    claim, gain = _claim(gaps, all_labels, name), paired_rows(warmed, same_labels, metric)
    if gap >= 0 and not gain.mean - gain.half_width > 0:
        reason = f"with {labels:,.0f} labels it is not better than no warm-up with as many ({better} by {gain})"
        claim = f"not shown, as {reason}; by the means {claim}"
    difference = paired_rows(warmed, without, metric)
    seconds, seconds_without = (
        part.select(pl.sum_horizontal(COSTS.values())).mean().item() for part in (warmed, without)
    )
    parts = [
        f"label efficiency: {claim} with {all_labels:,.0f} ({metric} {baseline.mean:.4g})",
        f"with {labels:,.0f} it is {better} by {difference}",
        f"selection, warm-up and fine-tuning take {seconds:,.0f} s then, "
        f"fine-tuning with all alone {seconds_without:,.0f} s",
    ]
    return "; ".join(parts)


def _claim(gaps: list[tuple[float, float]], all_labels: float, name: str) -> str:
    """Return the number of labels that a selector needs, as a clause.

    Args:
        gaps: Number of labels, and by how much the selector is better than all labels without a warm-up; ordered.
        all_labels: The number of all labels.
        name: The selector.
    """
    reached = next((at for at, (_, gap) in enumerate(gaps) if gap >= 0), None)
    if reached is None:
        return f"none; {name} with all labels does not reach the result of no warm-up"
    labels, gap = gaps[reached]
    if reached == 0:
        number = f"{labels:,.0f} labels or fewer, at least {1 - labels / all_labels:.0%} less"
    else:
        fewer_labels, negative_gap = gaps[reached - 1]
        needed = fewer_labels + (labels - fewer_labels) * negative_gap / (negative_gap - gap)
        number = f"about {needed:,.0f} labels, {1 - needed / all_labels:.0%} less"
    return f"{name} needs {number}, to reach the result of no warm-up"
