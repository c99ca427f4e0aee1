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


def test_equal_values_have_no_interval():
    assert str(statistics.interval([1.72, 1.72, 1.7200000000000002])) == "1.72 ± 0"


def test_the_bootstrap_interval_is_beside_it_and_narrower_for_few_seeds():
    found = statistics.interval([1.0, 2.0, 4.0])
    assert found.bootstrap is not None
    low, high = found.bootstrap
    assert 1.0 <= low < found.mean < high <= 4.0
    assert high - low < 2 * found.half_width
    assert found.bootstrap == statistics.interval([1.0, 2.0, 4.0]).bootstrap
    same = statistics.interval([2.0, 2.0])
    assert (same.mean, same.half_width) == (2.0, 0.0)
