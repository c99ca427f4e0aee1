"""What a metric does along something: labels, shares of the budget, slices of the pool.

Belongs here: points, and what they say in words. Does not: one scorecard's statistics (`statistics.py`), or which
curves a task asks for (`curves.py`).
"""

from itertools import pairwise

import polars as pl

from getmore_assets.config import NONE
from getmore_assets.reporting.statistics import COSTS, HIGHER_IS_BETTER, Interval, interval, paired_rows

_NEARER = 0.7  # rank correlation of nearness and quality from which the distances mean something


def curve(scores: pl.DataFrame, along: str, metric: str) -> dict[str, list[tuple[float, Interval]]]:
    """Selector → (value of the column `along`, interval of the metric), from the smallest value on."""
    found: dict[str, list[tuple[float, Interval]]] = {}
    for (selector, at), part in scores.sort(along).group_by("selector", along, maintain_order=True):
        found.setdefault(str(selector), []).append((float(at), interval(part.sort("seed")[metric].to_list())))
    return found


def labels_saved(runs: pl.DataFrame, metric: str, name: str) -> str:
    """In words: how many labels the warmed model needs for what the other one reaches with all (paper, Figure 1).

    By the means; that labels are saved counts as shown where, at the count that is needed, the warmed model is better
    than no warm-up with as many, paired by seed. Beside it how far it is ahead of no warm-up with all labels, and what
    the labels that are spared in fine-tuning cost in selection and warm-up.

    Args:
        runs: selector (`name` and none), seed, labels, the metric and the seconds of `COSTS`; each count of both.
        metric: That is judged by.
        name: Of the selector.
    """
    sign, along = 1 if metric in HIGHER_IS_BETTER else -1, curve(runs, "labels", metric)
    chosen, (every, reached) = along[name], along[NONE][-1]
    ahead = [(at, sign * (found.mean - reached.mean)) for at, found in chosen]
    at, gap = next(((at, gap) for at, gap in ahead if gap >= 0), ahead[-1])
    mine, same, theirs = (
        runs.filter((pl.col("selector") == selector) & (pl.col("labels") == count))
        for selector, count in ((name, at), (NONE, at), (NONE, every))
    )
    way = "higher" if sign == 1 else "lower"
    before = next(((low, less) for (low, less), (high, _) in pairwise(ahead) if high == at), None)
    if gap < 0:
        said = f"none; {name} does not reach with all labels what no warm-up does"
    elif before is None:
        needs = f"{at:,.0f} labels or fewer, at least {1 - at / every:.0%} less"
        said = f"{name} needs {needs}, for what no warm-up reaches"
    else:
        needed = before[0] + (at - before[0]) * before[1] / (before[1] - gap)
        said = f"{name} needs about {needed:,.0f} labels, {1 - needed / every:.0%} less, for what no warm-up reaches"
    alike = paired_rows(mine, same, metric)
    if gap >= 0 and not alike.mean - alike.half_width > 0:
        level = f"with {at:,.0f} labels it is not better than no warm-up with as many ({way} by {alike})"
        said = f"not shown, as {level}; by the means {said}"
    paired = f"with {at:,.0f} it is {way} by {paired_rows(mine, theirs, metric)}"
    spent, spared = (part.select(pl.sum_horizontal(COSTS.values())).mean().item() for part in (mine, theirs))
    costs = f"selection, warm-up and fine-tuning take {spent:,.0f} s then, fine-tuning with all alone {spared:,.0f} s"
    return f"labels saved: {said} with {every:,.0f} ({metric} {reached.mean:.4g}); {paired}; {costs}"


def nearer_is_better(slices: list[tuple[float, Interval]], metric: str) -> str:
    """In words: whether warming up on nearer slices of the pool does better, by Spearman's rank correlation."""
    from scipy.stats import spearmanr

    sign = 1 if metric in HIGHER_IS_BETTER else -1
    at, means = zip(*((place, sign * found.mean) for place, found in slices), strict=True)
    rho = float(spearmanr(at, means).statistic)
    fits = (
        "nearer is better here" if rho <= -_NEARER else "nearer is not better here: another encoder may fit this target"
    )
    return f"{fits}: Spearman {-rho:.2f} of nearness and {metric} over {len(slices)} slices of the pool"
