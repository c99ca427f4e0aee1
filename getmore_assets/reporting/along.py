"""The points of a curve, and sentences about label efficiency and nearness.

Belongs here: a metric as a function of labels, budget or slice of the pool. Does not: statistics of one scorecard
(`statistics.py`), or the curves of a task (`curves.py`).
"""

from itertools import pairwise

import polars as pl

from getmore_assets.config import NONE
from getmore_assets.reporting.statistics import COSTS, HIGHER_IS_BETTER, Interval, interval, paired_rows

_LEAST_CORRELATION = 0.7  # of nearness and quality, for distances to be meaningful


def curve(scores: pl.DataFrame, along: str, metric: str) -> dict[str, list[tuple[float, Interval]]]:
    """Return the points of each selector, ordered: value of the column `along`, interval of the metric."""
    points: dict[str, list[tuple[float, Interval]]] = {}
    for (selector, at), part in scores.sort(along).group_by("selector", along, maintain_order=True):
        points.setdefault(str(selector), []).append((float(at), interval(part.sort("seed")[metric].to_list())))
    return points


def labels_saved(runs: pl.DataFrame, metric: str, name: str) -> str:
    """Return a sentence on label efficiency: the labels that a selector needs to equal no warm-up with all labels.

    The number is interpolated between the means. It counts as shown if, at the next measured number of labels, the
    selector is better than no warm-up with as many labels, paired by seed. The sentence also has the gain over no
    warm-up with all labels, and the seconds of both.

    Args:
        runs: selector (`name` and none), seed, labels, the metric and the seconds of `COSTS`.
        metric: The main metric.
        name: The selector.
    """
    sign, along = 1 if metric in HIGHER_IS_BETTER else -1, curve(runs, "labels", metric)
    all_labels, reached = along[NONE][-1]
    gaps = [(labels, sign * (value.mean - reached.mean)) for labels, value in along[name]]
    labels, gap = next(((labels, gap) for labels, gap in gaps if gap >= 0), gaps[-1])
    warmed, same_labels, without = (
        runs.filter((pl.col("selector") == selector) & (pl.col("labels") == count))
        for selector, count in ((name, labels), (NONE, labels), (NONE, all_labels))
    )
    way = "higher" if sign == 1 else "lower"
    before = next(((low, less) for (low, less), (high, _) in pairwise(gaps) if high == labels), None)
    if gap < 0:
        saved = f"none; {name} with all labels does not reach the result of no warm-up"
    elif before is None:
        needs = f"{labels:,.0f} labels or fewer, at least {1 - labels / all_labels:.0%} less"
        saved = f"{name} needs {needs}, to reach the result of no warm-up"
    else:
        needed = before[0] + (labels - before[0]) * before[1] / (before[1] - gap)
        less = f"{1 - needed / all_labels:.0%} less"
        saved = f"{name} needs about {needed:,.0f} labels, {less}, to reach the result of no warm-up"
    gain = paired_rows(warmed, same_labels, metric)
    if gap >= 0 and not gain.mean - gain.half_width > 0:
        level = f"with {labels:,.0f} labels it is not better than no warm-up with as many ({way} by {gain})"
        saved = f"not shown, as {level}; by the means {saved}"
    paired = f"with {labels:,.0f} it is {way} by {paired_rows(warmed, without, metric)}"
    spent, spared = (part.select(pl.sum_horizontal(COSTS.values())).mean().item() for part in (warmed, without))
    costs = f"selection, warm-up and fine-tuning take {spent:,.0f} s then, fine-tuning with all alone {spared:,.0f} s"
    return f"label efficiency: {saved} with {all_labels:,.0f} ({metric} {reached.mean:.4g}); {paired}; {costs}"


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
