"""The values of a metric by seed, and the range of a metric.

Belongs here: values for drawing. Does not: means or intervals (`statistics.py`).
"""

import math

import polars as pl

_SIGNED = {"matthews": (-1.0, 1.0)}
#: The least value of a metric, by the end of its name; there is no upper bound.
_LEAST_VALUES = {"perplexity": 1.0, "nats_per_character": 0.0}


def per_seed(scores: pl.DataFrame, metric: str) -> dict[str, list[float]]:
    """Return the values of each selector, in the order of the scorecard and of the seeds."""
    rows = scores.filter(pl.col(metric).is_not_null()).sort("seed")
    values = dict(rows.group_by("selector").agg(metric).rows())
    return {selector: values.get(selector, []) for selector in scores["selector"].unique(maintain_order=True)}


def range_of(metric: str) -> tuple[float, float]:
    """Return the lowest and the highest possible value of a metric."""
    least = next((low for ending, low in _LEAST_VALUES.items() if metric.endswith(ending)), None)
    return _SIGNED.get(metric, (0.0, 1.0)) if least is None else (least, math.inf)
