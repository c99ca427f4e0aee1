"""Means, intervals and paired differences of a scorecard.

Belongs here: statistics on the per-seed results. Does not: what they show (`verdict.py`), training or drawing.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from getmore_assets.config import BAG_OF_WORDS, NONE, RANDOM_INIT, TARGET

CONFIDENCE = 0.95
_JUDGED = ("expected_maximum_toxicity", "micro_f1", "zero_shot_accuracy", "perplexity")
CHARACTER = "nats_per_character"
_OTHERS = (
    *(CHARACTER, f"zero_shot_{CHARACTER}", f"general_{CHARACTER}", "general_perplexity", "zero_shot_perplexity"),
    *("accuracy", "probe_micro_f1", "macro_f1", "matthews", "toxicity_probability"),
)
METRICS = (*_JUDGED, *_OTHERS)
_ROUNDING = 1e-9  # of the mean: an interval this narrow is that of equal values
#: What a run costs, in words, and the column of the scorecard with its seconds.
COSTS = {"selection": "selection_seconds", "warm-up": "warmup_seconds", "fine-tuning": "finetune_seconds"}
_SHOWN = {
    NONE: "no warm-up",
    TARGET: "the target's own text",
    BAG_OF_WORDS: "a bag of words",
    RANDOM_INIT: "random weights",
}
HIGHER_IS_BETTER = {"accuracy", "micro_f1", "macro_f1", "matthews", "probe_micro_f1", "zero_shot_accuracy"}


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

    @property
    def standard_error(self) -> float:
        """Of the mean; NaN with one seed."""
        from scipy.stats import t

        return self.half_width / float(t.ppf((1 + CONFIDENCE) / 2, self.n - 1)) if self.n > 1 else math.nan

    def __str__(self) -> str:
        if not self.n:
            return "–"
        if math.isnan(self.half_width):
            return f"{self.mean:.4g}"
        half_width = 0.0 if self.half_width < _ROUNDING * abs(self.mean) else self.half_width
        return f"{self.mean:.4g} ± {half_width:.2g}"


def interval(measured: list[float | None]) -> Interval:
    """Mean and half-width of the values; None stands for one that was not measured."""
    values = [value for value in measured if value is not None]
    n = len(values)
    if not n:
        return Interval(math.nan, math.nan, 0)
    mean = sum(values) / n
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
    return _SHOWN.get(selector, selector)


def costs(scores: pl.DataFrame) -> dict[str, list[float]]:
    """Selector → mean seconds over the seeds, in the order of `COSTS`."""
    means = scores.group_by("selector", maintain_order=True).agg(pl.col(list(COSTS.values())).mean())
    return {selector: seconds for selector, *seconds in means.iter_rows()}


def paired(scores: pl.DataFrame, mine: str, theirs: str, metric: str) -> Interval:
    """By how much one selector is better than another on a metric, over the seeds that both have."""
    return paired_rows(scores.filter(pl.col("selector") == mine), scores.filter(pl.col("selector") == theirs), metric)


def paired_rows(mine: pl.DataFrame, theirs: pl.DataFrame, metric: str) -> Interval:
    """By how much the rows of one selector are better than those of another, over the seeds that both have."""
    return interval([*differences(mine, theirs, metric)])


def differences(mine: pl.DataFrame, theirs: pl.DataFrame, metric: str) -> list[float]:
    """By how much the rows of one selector are better than those of another, seed by seed."""
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    both = mine.select("seed", metric).join(theirs.select("seed", theirs=metric), on="seed").sort("seed")
    found: list[float] = (sign * (both[metric] - both["theirs"])).drop_nulls().to_list()
    return found
