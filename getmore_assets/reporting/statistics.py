"""Means, intervals and the verdict of a scorecard.

Belongs here: statistics on the per-seed results. Does not: training or drawing.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

CONFIDENCE = 0.95
BETTER, LEVEL, WORSE, UNKNOWN = "better", "level", "worse", "unknown"
_JUDGED = ("expected_maximum_toxicity", "micro_f1", "zero_shot_accuracy", "perplexity")
_OTHERS = ("general_perplexity", "zero_shot_perplexity", "accuracy", "macro_f1", "matthews", "toxicity_probability")
METRICS = (*_JUDGED, *_OTHERS)
_NEARER = 0.7  # rank correlation of nearness and quality from which the distances mean something
#: What a run costs, in words, and the column of the scorecard with its seconds.
COSTS = {"selection": "selection_seconds", "warm-up": "warmup_seconds", "fine-tuning": "finetune_seconds"}
_HIGHER_IS_BETTER = {"accuracy", "micro_f1", "macro_f1", "matthews", "zero_shot_accuracy"}


@dataclass(frozen=True)
class Interval:
    """A mean with the half-width of its 95 % interval (Student's t over seeds); NaN with one seed.

    `bootstrap` is the percentile interval of 10,000 resamples of the seeds: with few seeds it is too narrow, so
    verdicts go by Student's t.
    """

    mean: float
    half_width: float
    n: int
    bootstrap: tuple[float, float] | None = None

    def __str__(self) -> str:
        return f"{self.mean:.4g}" if math.isnan(self.half_width) else f"{self.mean:.4g} ± {self.half_width:.2g}"


def interval(values: list[float]) -> Interval:
    """Mean and half-width of the values."""
    n, mean = len(values), sum(values) / len(values)
    if n < 2:
        return Interval(mean, math.nan, n)
    from scipy.stats import (
        bootstrap,
        t,  # takes a second to load: only where there is something to count
    )

    resampled = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0))
    low, high = (float(end) for end in resampled.confidence_interval)
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    return Interval(mean, float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * spread / math.sqrt(n), n, (low, high))


def metrics_in(scores: pl.DataFrame) -> list[str]:
    """The metrics that a scorecard has, the one it is judged by first."""
    present = [m for m in METRICS if m in scores.columns and scores[m].is_not_null().any()]
    main = main_metric(scores)
    return [main, *(m for m in present if m != main)]


def main_metric(scores: pl.DataFrame) -> str:
    """Toxicity where it is measured, micro_f1 where the target has labels that a classifier learns, else perplexity."""
    return next(m for m in _JUDGED if m in scores.columns and scores[m].is_not_null().any())


def summary(scores: pl.DataFrame) -> dict[str, dict[str, Interval]]:
    """Selector → metric → interval, in the scorecard's order of selectors."""
    return {
        selector: {m: interval(scores.filter(pl.col("selector") == selector)[m].to_list()) for m in metrics_in(scores)}
        for selector in scores["selector"].unique(maintain_order=True)
    }


def shown(selector: str) -> str:
    """A selector's name in words."""
    return "no warm-up" if selector == "none" else selector


def costs(scores: pl.DataFrame) -> dict[str, list[float]]:
    """Selector → mean seconds over the seeds, in the order of `COSTS`."""
    means = scores.group_by("selector", maintain_order=True).agg(pl.col(list(COSTS.values())).mean())
    return {selector: seconds for selector, *seconds in means.iter_rows()}


def gains(scores: pl.DataFrame, chosen: str) -> dict[str, Interval]:
    """For every other selector, by how much the chosen one is better on the judged metric, paired by seed."""
    metric = main_metric(scores)
    sign = 1 if metric in _HIGHER_IS_BETTER else -1
    by_seed = {
        s: dict(scores.filter(pl.col("selector") == s).select("seed", metric).rows()) for s in scores["selector"]
    }
    mine = by_seed.pop(chosen)
    return {
        other: interval([sign * (mine[seed] - theirs[seed]) for seed in sorted(mine) if seed in theirs])
        for other, theirs in by_seed.items()
    }


def judgement(gain: Interval) -> str:
    """Whether a paired gain is more than the noise of the seeds, and which way."""
    if math.isnan(gain.half_width):
        return UNKNOWN
    if gain.mean - gain.half_width > 0:
        return BETTER
    return WORSE if gain.mean + gain.half_width < 0 else LEVEL


def verdict(scores: pl.DataFrame, chosen: str) -> list[str]:
    """For every other selector, in words: whether the chosen one is better than it."""
    metric = main_metric(scores)
    way = "higher" if metric in _HIGHER_IS_BETTER else "lower"
    lines = []
    for other, gain in gains(scores, chosen).items():
        name, amount = shown(other), f"{metric} {way} by {gain}"
        worded = {
            UNKNOWN: f"{chosen} against {name}: {amount}, one seed: no verdict",
            BETTER: f"{chosen} is better than {name}: {amount} (95 %, {gain.n} seeds)",
            WORSE: f"do not use this: {chosen} is worse than {name}: {amount} (95 %, {gain.n} seeds)",
            LEVEL: f"not shown to be worth it: {chosen} is level with {name}: {amount} (95 %, {gain.n} seeds)",
        }
        lines.append(worded[judgement(gain)])
    return lines


def headline(gains: dict[str, Interval], chosen: str) -> tuple[str, str]:
    """The verdict on all comparisons at once: the worst judgement among them, and it in words.

    Args:
        gains: Of `gains`.
        chosen: The selector that is judged.
    """
    found = [(judgement(gain), shown(other)) for other, gain in gains.items()]
    opening = {
        WORSE: "Do not use this",
        UNKNOWN: "No verdict: one seed tells nothing of the noise",
        LEVEL: "Not shown to be worth it",
        BETTER: "Worth it",
    }
    worst = next((kind for kind in opening if any(kind == one for one, _ in found)), None)
    if worst is None:
        return UNKNOWN, f"No verdict: nothing was compared with {chosen}."
    if worst == UNKNOWN:
        return UNKNOWN, f"{opening[UNKNOWN]}."
    parts = [
        f"{words} {' and '.join(names)}"
        for kind, words in ((WORSE, "worse than"), (LEVEL, "level with"), (BETTER, "better than"))
        if (names := [name for one, name in found if one == kind])
    ]
    return worst, f"{opening[worst]}: {chosen} is {', '.join(parts)}."


def curve(scores: pl.DataFrame, along: str, metric: str) -> dict[str, list[tuple[float, Interval]]]:
    """Selector → (value of the column `along`, interval of the metric), from the smallest value on."""
    found: dict[str, list[tuple[float, Interval]]] = {}
    for (selector, at), part in scores.sort(along).group_by("selector", along, maintain_order=True):
        found.setdefault(str(selector), []).append((float(at), interval(part.sort("seed")[metric].to_list())))
    return found


def labels_saved(
    chosen: list[tuple[float, Interval]], none: list[tuple[float, Interval]], metric: str, name: str
) -> str:
    """In words: how many labels the warmed model needs for what the other one reaches with all (paper, Figure 1)."""
    sign = 1 if metric in _HIGHER_IS_BETTER else -1
    every, wanted = none[-1][0], none[-1][1].mean
    needed = None
    for (before, low), (after, high) in pairwise(chosen):
        if sign * (high.mean - wanted) >= 0 > sign * (low.mean - wanted):
            needed = before + (after - before) * (wanted - low.mean) / (high.mean - low.mean)
            break
    fewest, first = chosen[0]
    if sign * (first.mean - wanted) >= 0:
        share = f"{fewest:,.0f} labels or fewer, at least {1 - fewest / every:.0%} less"
    elif needed is None:
        return f"labels saved: none; {name} does not reach with all labels what no warm-up does ({metric} {wanted:.4g})"
    else:
        share = f"about {needed:,.0f} labels, {1 - needed / every:.0%} less"
    return f"labels saved: {name} needs {share} for what no warm-up reaches with {every:,.0f} ({metric} {wanted:.4g})"


def nearer_is_better(slices: list[tuple[float, Interval]], metric: str) -> str:
    """In words: whether warming up on nearer slices of the pool does better, by Spearman's rank correlation."""
    from scipy.stats import spearmanr

    sign = 1 if metric in _HIGHER_IS_BETTER else -1
    at, means = zip(*((place, sign * found.mean) for place, found in slices), strict=True)
    rho = float(spearmanr(at, means).statistic)
    fits = (
        "nearer is better here" if rho <= -_NEARER else "nearer is not better here: another encoder may fit this target"
    )
    return f"{fits}: Spearman {-rho:.2f} of nearness and {metric} over {len(slices)} slices of the pool"
