"""The verdict of a scorecard: better, level, worse, or unknown.

Belongs here: judging paired differences, in sentences. Does not: the differences (`statistics.py`), their tests
(`p_values.py`), whether the task can tell selections apart (`gates.py`), or what to do next (`next_steps.py`).
"""

import math
from dataclasses import dataclass, replace

import polars as pl

from getmore_assets.config import REFERENCES
from getmore_assets.reporting import p_values
from getmore_assets.reporting.seeds import range_of
from getmore_assets.reporting.statistics import (
    CHARACTER,
    HIGHER_IS_BETTER,
    Interval,
    differences,
    interval,
    main_metric,
    shown,
)

BETTER, LEVEL, WORSE, UNKNOWN = "better", "level", "worse", "unknown"
_MARGIN = 0.01  # absolute for shares, relative for nats; a smaller difference does not matter


@dataclass(frozen=True)
class Gain(Interval):
    """By how much one selector is better than another, with test results.

    Attributes:
        p: The p-value of a paired t-test, adjusted for the number of rivals (Holm); NaN with one seed.
        level: Whether the difference is shown to be less than `margin` (two one-sided tests).
        margin: The largest difference that does not matter, in the metric's unit.
        smallest: The difference that this number of seeds shows with a power of 80 %.
        largest: The largest possible difference of the metric.
    """

    p: float = math.nan
    level: bool = False
    margin: float = math.nan
    smallest: float = math.nan
    largest: float = math.inf


def gains(scores: pl.DataFrame, chosen: str) -> dict[str, Gain]:
    """Return by how much the chosen selector is better than each rival on the main metric, paired by seed.

    References are no rivals (`gates.py`).
    """
    metric = main_metric(scores)
    names = scores["selector"].unique(maintain_order=True)
    own = scores.filter(pl.col("selector") == chosen)
    others = {n: scores.filter(pl.col("selector") == n) for n in names if n not in (chosen, *REFERENCES)}
    by_seed = {other: differences(own, rows, metric) for other, rows in others.items()}
    adjusted = p_values.holm({other: p_values.p_value(values) for other, values in by_seed.items()})
    results, (low, high) = {}, range_of(metric)
    for other, values in by_seed.items():
        margin = margin_of(metric, others[other][metric].drop_nulls().to_list())
        results[other] = Gain(
            **vars(interval([*values])),
            p=adjusted[other],
            level=p_values.p_equivalence(values, margin) < p_values.ALPHA,
            margin=margin,
            smallest=p_values.smallest_shown(values),
            largest=high - low,
        )
    return results


def margin_of(metric: str, values: list[float]) -> float:
    """Return the largest difference that does not matter: 0.01 for a share, 1 % of the mean nats for a likelihood."""
    if "perplexity" not in metric and CHARACTER not in metric:
        return _MARGIN
    mean = sum(values) / len(values) if values else math.nan
    return _MARGIN * mean * (math.log(mean) if "perplexity" in metric else 1.0)


def judgement(gain: Gain) -> str:
    """Return the judgement of a gain: better, worse, level (within the margin), or unknown."""
    if gain.p < p_values.ALPHA:
        return BETTER if gain.mean > 0 else WORSE
    return LEVEL if gain.level else UNKNOWN


def sentences(scores: pl.DataFrame, chosen: str, *, tells: bool = True) -> list[str]:
    """Return a sentence for each rival: whether the chosen selector is better.

    Args:
        scores: One row per selector and seed.
        chosen: The chosen selector.
        tells: Whether the task can tell selections apart; if not, a difference that is not shown means nothing.
    """
    metric = main_metric(scores)
    lines = []
    for other, gain in gains(scores, chosen).items():
        name, amount = shown(other), difference(metric, gain)
        if gain.n < 2:
            lines.append(f"{chosen} against {name}: {amount}, one seed: no verdict")
            continue
        amount += f" (95 %, {gain.n} seeds; p {gain.p:.2g} after Holm)"
        unseen = f"no measurable benefit: {chosen} against {name}: {amount}; {visible(gain)}"
        if not tells:
            unseen = f"this task cannot tell: {chosen} against {name}: {amount}"
        level = f"not worth it over {name}: {chosen} is level with it within {gain.margin:.2g}: {amount}"
        sentence_of = {
            BETTER: f"{chosen} is better than {name}: {amount}",
            WORSE: f"do not use this: {chosen} is worse than {name}: {amount}",
            LEVEL: level if tells else unseen,
            UNKNOWN: unseen,
        }
        lines.append(sentence_of[judgement(gain)])
    return lines


def difference(metric: str, gain: Gain) -> str:
    """Return a phrase on how much the chosen selector's metric is higher or lower."""
    higher = (gain.mean > 0) == (metric in HIGHER_IS_BETTER)
    return f"{metric} {'higher' if higher else 'lower'} by {replace(gain, mean=abs(gain.mean))}"


def visible(gain: Gain) -> str:
    """Return a phrase on the differences that this number of seeds can show."""
    if gain.smallest > gain.largest:
        return f"{gain.n} seeds show no difference that this metric can have"
    return f"{gain.n} seeds show differences from about {gain.smallest:.2g} on"


def headline(gains: dict[str, Gain], chosen: str, cannot_tell: str | None = None) -> tuple[str, str]:
    """Return the worst judgement among all comparisons, and a sentence.

    Args:
        gains: The gains over the rivals.
        chosen: The chosen selector.
        cannot_tell: Why the task cannot tell selections apart; a level result then counts as unknown. None if it can.
    """
    judgements = [(judgement(gain), shown(other)) for other, gain in gains.items()]
    opening = {
        WORSE: "Do not use this",
        UNKNOWN: "No measurable benefit",
        LEVEL: "Not worth it over every rival",
        BETTER: "Worth it",
    }
    worst = next((kind for kind in opening if any(kind == other for other, _ in judgements)), None)
    if worst is None:
        return UNKNOWN, f"No verdict: nothing was compared with {chosen}."
    if any(gain.n < 2 for gain in gains.values()):
        return UNKNOWN, "No verdict: one seed says nothing about the noise."
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
        if (names := [name for other, name in judgements if other == kind])
    ]
    return worst, f"{opening[worst]}: {chosen} is {', '.join(parts)}."
