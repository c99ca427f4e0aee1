"""Means, intervals and paired differences of a scorecard.

Belongs here: statistics of the per-seed results. Does not: their interpretation (`verdict.py`), training or drawing.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from getmore_assets.config import BAG_OF_WORDS, NONE, RANDOM_INIT, TARGET

CONFIDENCE = 0.95
_MAIN_METRICS = ("expected_maximum_toxicity", "micro_f1", "zero_shot_accuracy", "perplexity")
CHARACTER = "nats_per_character"
_OTHER_METRICS = (
    *(CHARACTER, f"zero_shot_{CHARACTER}", f"general_{CHARACTER}", "general_perplexity", "zero_shot_perplexity"),
    *("accuracy", "probe_micro_f1", "macro_f1", "matthews", "toxicity_probability"),
)
METRICS = (*_MAIN_METRICS, *_OTHER_METRICS)
_ROUNDING = 1e-9  # share of the mean; a narrower interval means equal values
#: The parts of a run's cost, each with the scorecard's column of seconds.
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

    `bootstrap` is the percentile interval of 10,000 resamples of the seeds. It is too narrow with few seeds, so
    verdicts use Student's t.
    """

    mean: float
    half_width: float
    n: int
    bootstrap: tuple[float, float] | None = None

    @property
    def standard_error(self) -> float:
        """The standard error of the mean; NaN with one seed."""
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
    """Return the interval of values; None values, which were not measured, are left out."""
    values = [value for value in measured if value is not None]
    n = len(values)
    if not n:
        return Interval(math.nan, math.nan, 0)
    mean = sum(values) / n
    if n < 2:
        return Interval(mean, math.nan, n)
    from scipy.stats import (
        bootstrap,
        t,  # here, as scipy.stats takes a second to load
    )

    resampled = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0))
    low, high = (float(end) for end in resampled.confidence_interval)
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    return Interval(mean, float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * spread / math.sqrt(n), n, (low, high))


def metrics_in(scores: pl.DataFrame) -> list[str]:
    """Return the metrics of a scorecard, the main metric first."""
    present = [m for m in METRICS if m in scores.columns and scores[m].is_not_null().any()]
    main = main_metric(scores)
    return [main, *(m for m in present if m != main)]


def main_metric(scores: pl.DataFrame) -> str:
    """Return the main metric: toxicity if measured, micro_f1 for a classifier, zero-shot accuracy, or perplexity."""
    return next(m for m in _MAIN_METRICS if m in scores.columns and scores[m].is_not_null().any())


def summary(scores: pl.DataFrame) -> dict[str, dict[str, Interval]]:
    """Return the interval of each selector and metric, in the scorecard's order of selectors."""
    return {
        selector: {m: interval(scores.filter(pl.col("selector") == selector)[m].to_list()) for m in metrics_in(scores)}
        for selector in scores["selector"].unique(maintain_order=True)
    }


def shown(selector: str) -> str:
    """Return the displayed name of a selector."""
    return _SHOWN.get(selector, selector)


def costs(scores: pl.DataFrame) -> dict[str, list[float]]:
    """Return the mean seconds of each selector over the seeds, in the order of `COSTS`."""
    means = scores.group_by("selector", maintain_order=True).agg(pl.col(list(COSTS.values())).mean())
    return {selector: seconds for selector, *seconds in means.iter_rows()}


def paired(scores: pl.DataFrame, selector: str, other: str, metric: str) -> Interval:
    """Return by how much one selector is better than another, over the seeds that both have."""
    return paired_rows(
        scores.filter(pl.col("selector") == selector), scores.filter(pl.col("selector") == other), metric
    )


def paired_rows(own: pl.DataFrame, other: pl.DataFrame, metric: str) -> Interval:
    """Return by how much one selector's rows are better than another's, over the seeds that both have."""
    return interval([*differences(own, other, metric)])


def differences(own: pl.DataFrame, other: pl.DataFrame, metric: str) -> list[float]:
    """Return by how much one selector's rows are better than another's, seed by seed."""
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    both = own.select("seed", metric).join(other.select("seed", other=metric), on="seed").sort("seed")
    by_seed: list[float] = (sign * (both[metric] - both["other"])).drop_nulls().to_list()
    return by_seed
