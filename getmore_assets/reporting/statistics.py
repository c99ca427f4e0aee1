"""Means, intervals and the verdict of a scorecard.

Belongs here: statistics on the per-seed results. Does not: training or drawing.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from getmore_assets.config import BAG_OF_WORDS, NONE, RANDOM_INIT, REFERENCES, TARGET
from getmore_assets.reporting import hypotheses

CONFIDENCE = 0.95
BETTER, LEVEL, WORSE, UNKNOWN = "better", "level", "worse", "unknown"
_JUDGED = ("expected_maximum_toxicity", "micro_f1", "zero_shot_accuracy", "perplexity")
_CHARACTER = "nats_per_character"
_OTHERS = (
    *(_CHARACTER, f"zero_shot_{_CHARACTER}", f"general_{_CHARACTER}", "general_perplexity", "zero_shot_perplexity"),
    *("accuracy", "probe_micro_f1", "macro_f1", "matthews", "toxicity_probability"),
)
METRICS = (*_JUDGED, *_OTHERS)
_ROUNDING = 1e-9  # of the mean: an interval this narrow is that of equal values
_MARGIN = 0.01  # of a share, or of nats: a difference below does not matter
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


@dataclass(frozen=True)
class Gain(Interval):
    """By how much one selector is better than another, and what that shows.

    Attributes:
        p: Of a paired t-test, adjusted for the number of rivals (Holm); NaN with one seed.
        level: Whether the difference is shown to be less than `margin` (two one-sided tests).
        margin: The difference that does not matter, in the metric's unit.
        smallest: The difference that so many seeds would show four times in five.
    """

    p: float = math.nan
    level: bool = False
    margin: float = math.nan
    smallest: float = math.nan


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


def gains(scores: pl.DataFrame, chosen: str) -> dict[str, Gain]:
    """For every other selector, by how much the chosen one is better on the judged metric, paired by seed.

    The references are no rivals: they tell what a task can show (`gates.py`).
    """
    metric = main_metric(scores)
    others = [one for one in scores["selector"].unique(maintain_order=True) if one not in (chosen, *REFERENCES)]
    mine = scores.filter(pl.col("selector") == chosen)
    theirs = {other: scores.filter(pl.col("selector") == other) for other in others}
    ahead = {other: _differences(mine, rows, metric) for other, rows in theirs.items()}
    adjusted = hypotheses.holm({other: hypotheses.p_value(values) for other, values in ahead.items()})
    found = {}
    for other, values in ahead.items():
        margin = margin_of(metric, theirs[other][metric].drop_nulls().to_list())
        found[other] = Gain(
            **vars(interval([*values])),
            p=adjusted[other],
            level=hypotheses.p_equivalence(values, margin) < hypotheses.ALPHA,
            margin=margin,
            smallest=hypotheses.smallest_shown(values),
        )
    return found


def margin_of(metric: str, values: list[float]) -> float:
    """Return the difference in a metric that does not matter: 0.01 of a share, 1 % of the mean nats of a likelihood."""
    if "perplexity" not in metric and _CHARACTER not in metric:
        return _MARGIN
    mean = sum(values) / len(values) if values else math.nan
    return _MARGIN * mean * (math.log(mean) if "perplexity" in metric else 1.0)


def paired(scores: pl.DataFrame, mine: str, theirs: str, metric: str) -> Interval:
    """By how much one selector is better than another on a metric, over the seeds that both have."""
    return paired_rows(scores.filter(pl.col("selector") == mine), scores.filter(pl.col("selector") == theirs), metric)


def paired_rows(mine: pl.DataFrame, theirs: pl.DataFrame, metric: str) -> Interval:
    """By how much the rows of one selector are better than those of another, over the seeds that both have."""
    return interval([*_differences(mine, theirs, metric)])


def _differences(mine: pl.DataFrame, theirs: pl.DataFrame, metric: str) -> list[float]:
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    both = mine.select("seed", metric).join(theirs.select("seed", theirs=metric), on="seed").sort("seed")
    found: list[float] = (sign * (both[metric] - both["theirs"])).drop_nulls().to_list()
    return found


def judgement(gain: Gain) -> str:
    """Return what a paired gain shows: better, worse, level within the margin, or nothing yet."""
    if gain.p < hypotheses.ALPHA:
        return BETTER if gain.mean > 0 else WORSE
    return LEVEL if gain.level else UNKNOWN


def verdict(scores: pl.DataFrame, chosen: str, *, tells: bool = True) -> list[str]:
    """For every other selector, in words: whether the chosen one is better than it.

    Args:
        scores: One row per selector and seed.
        chosen: The selector that is judged.
        tells: Whether the task can tell selections apart, so that a difference that is not seen says something.
    """
    metric = main_metric(scores)
    lines = []
    for other, gain in gains(scores, chosen).items():
        name, amount = shown(other), difference(metric, gain)
        if gain.n < 2:
            lines.append(f"{chosen} against {name}: {amount}, one seed: no verdict")
            continue
        amount += f" (95 %, {gain.n} seeds; p {gain.p:.2g} after Holm)"
        unseen = f"not shown to be worth it: {chosen} against {name}: {amount}; {_visible(gain)}"
        if not tells:
            unseen = f"this task cannot tell: {chosen} against {name}: {amount}"
        level = f"not worth it over {name}: {chosen} is level with it within {gain.margin:.2g}: {amount}"
        worded = {
            BETTER: f"{chosen} is better than {name}: {amount}",
            WORSE: f"do not use this: {chosen} is worse than {name}: {amount}",
            LEVEL: level if tells else unseen,
            UNKNOWN: unseen,
        }
        lines.append(worded[judgement(gain)])
    return lines


def difference(metric: str, gain: Gain) -> str:
    """By how much the chosen selector's metric is higher or lower, in words."""
    higher = (gain.mean > 0) == (metric in HIGHER_IS_BETTER)
    return f"{metric} {'higher' if higher else 'lower'} by {replace(gain, mean=abs(gain.mean))}"


def _visible(gain: Gain) -> str:
    return f"{gain.n} seeds show differences from about {gain.smallest:.2g} on"


def headline(gains: dict[str, Gain], chosen: str, cannot_tell: str | None = None) -> tuple[str, str]:
    """The verdict on all comparisons at once: the worst judgement among them, and it in words.

    Args:
        gains: Of `gains`.
        chosen: The selector that is judged.
        cannot_tell: Why the task cannot tell selections apart; a level result then counts as unknown. None if it can.
    """
    found = [(judgement(gain), shown(other)) for other, gain in gains.items()]
    opening = {
        WORSE: "Do not use this",
        UNKNOWN: "Not shown to be worth it",
        LEVEL: "Not worth it over every rival",
        BETTER: "Worth it",
    }
    worst = next((kind for kind in opening if any(kind == one for one, _ in found)), None)
    if worst is None:
        return UNKNOWN, f"No verdict: nothing was compared with {chosen}."
    if any(gain.n < 2 for gain in gains.values()):
        return UNKNOWN, "No verdict: one seed tells nothing of the noise."
    if worst in (LEVEL, UNKNOWN) and cannot_tell:
        return UNKNOWN, f"This task cannot tell whether {chosen} is worth it: {cannot_tell}."
    parts = [
        f"{words} {' and '.join(names)}"
        for kind, words in (
            (WORSE, "worse than"),
            (UNKNOWN, "not told apart from"),
            (LEVEL, "level with"),
            (BETTER, "better than"),
        )
        if (names := [name for one, name in found if one == kind])
    ]
    return worst, f"{opening[worst]}: {chosen} is {', '.join(parts)}."
