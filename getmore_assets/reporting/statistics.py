"""Means, intervals and the verdict of a scorecard.

Belongs here: statistics on the per-seed results. Does not: training or drawing.
"""

import math
from dataclasses import dataclass

import polars as pl

CONFIDENCE = 0.95
METRICS = ("perplexity", "general_perplexity", "accuracy", "micro_f1", "macro_f1")
_HIGHER_IS_BETTER = {"accuracy", "micro_f1", "macro_f1"}


@dataclass(frozen=True)
class Interval:
    """A mean with the half-width of its 95 % interval (Student's t over seeds); NaN with one seed."""

    mean: float
    half_width: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.4g}" if math.isnan(self.half_width) else f"{self.mean:.4g} ± {self.half_width:.2g}"


def interval(values: list[float]) -> Interval:
    """Mean and half-width of the values."""
    n, mean = len(values), sum(values) / len(values)
    if n < 2:
        return Interval(mean, math.nan, n)
    from scipy.stats import t  # takes a second to load: only where there is something to count

    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    return Interval(mean, float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * spread / math.sqrt(n), n)


def metrics_in(scores: pl.DataFrame) -> list[str]:
    """The metrics that a scorecard has, the one it is judged by first."""
    present = [m for m in METRICS if m in scores.columns and scores[m].is_not_null().any()]
    main = main_metric(scores)
    return [main, *(m for m in present if m != main)]


def main_metric(scores: pl.DataFrame) -> str:
    """micro_f1 where the target has labels, else perplexity."""
    return "micro_f1" if scores["micro_f1"].is_not_null().any() else "perplexity"


def summary(scores: pl.DataFrame) -> dict[str, dict[str, Interval]]:
    """Selector → metric → interval, in the scorecard's order of selectors."""
    return {
        selector: {m: interval(scores.filter(pl.col("selector") == selector)[m].to_list()) for m in metrics_in(scores)}
        for selector in scores["selector"].unique(maintain_order=True)
    }


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


def verdict(scores: pl.DataFrame, chosen: str) -> list[str]:
    """For every other selector, in words: whether the chosen one is better than it."""
    metric = main_metric(scores)
    way = "higher" if metric in _HIGHER_IS_BETTER else "lower"
    lines = []
    for other, gain in gains(scores, chosen).items():
        name, amount = "no warm-up" if other == "none" else other, f"{metric} {way} by {gain}"
        if math.isnan(gain.half_width):
            lines.append(f"{chosen} against {name}: {amount}, one seed: no verdict")
        elif gain.mean - gain.half_width > 0:
            lines.append(f"{chosen} is better than {name}: {amount} (95 %, {gain.n} seeds)")
        elif gain.mean + gain.half_width < 0:
            lines.append(f"do not use this: {chosen} is worse than {name}: {amount} (95 %, {gain.n} seeds)")
        else:
            lines.append(f"not shown to be worth it: {chosen} is level with {name}: {amount} (95 %, {gain.n} seeds)")
    return lines
