import math

import polars as pl
import pytest
from scipy import stats

from getmore_assets.reporting import statistics


def scores(metric: str = "perplexity", **values: list[float]) -> pl.DataFrame:
    rows = [
        {"selector": s, "seed": i, **dict.fromkeys(statistics.METRICS), metric: v}
        for s, found in values.items()
        for i, v in enumerate(found)
    ]
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(statistics.METRICS, pl.Float64), infer_schema_length=None)


def test_the_interval_is_students():
    found = statistics.interval([1.0, 2.0, 4.0])
    low, high = stats.t.interval(0.95, 2, loc=7 / 3, scale=stats.sem([1.0, 2.0, 4.0]))
    assert found.mean == pytest.approx(7 / 3)
    assert found.half_width == pytest.approx((high - low) / 2)
    assert math.isnan(statistics.interval([1.0]).half_width)


@pytest.mark.parametrize(
    ("chosen", "other", "said"),
    [
        ([100.0, 101.0, 102.0], [110.0, 111.2, 112.1], "got-d is better than random"),
        ([110.0, 111.2, 112.1], [100.0, 101.0, 102.0], "do not use this"),
        ([100.0, 105.0, 110.0], [103.0, 100.0, 111.0], "not shown to be worth it"),
        ([100.0], [110.0], "one seed: no verdict"),
    ],
)
def test_the_verdict_can_go_either_way(chosen, other, said):
    (line,) = statistics.verdict(scores(**{"got-d": chosen, "random": other}), "got-d")
    assert said in line


def test_f1_is_better_when_higher():
    found = scores("micro_f1", **{"got-d": [0.7, 0.71, 0.72], "none": [0.6, 0.612, 0.619]})
    assert "got-d is better than no warm-up" in statistics.verdict(found, "got-d")[0]
    assert statistics.metrics_in(found) == ["micro_f1"]
    assert statistics.summary(found)["none"]["micro_f1"].n == 3
