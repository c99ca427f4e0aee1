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


AHEAD, SAME, SPREAD = [5.0, 5.2, 4.9], [0.1, 0.0, -0.1], [9.0, -9.0, 1.0]  # perplexity, of about 100


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


def test_a_difference_to_the_worse_is_said_the_other_way_round():
    worse = scores("micro_f1", **{"got-d": [0.5, 0.52], "random": [0.6, 0.61]})
    assert "micro_f1 lower by 0.095 ± " in statistics.verdict(worse, "got-d")[0]
    worse = scores(**{"got-d": [130.0, 131.0], "random": [100.0, 102.0]})
    assert "perplexity higher by 29.5 ± " in statistics.verdict(worse, "got-d")[0]


def test_equal_values_have_no_interval():
    assert str(statistics.interval([1.72, 1.72, 1.7200000000000002])) == "1.72 ± 0"


def test_rivals_are_judged_together():
    """A difference that would be shown alone is not where five are looked at."""
    mine, near = [100.0, 100.0, 100.0, 100.0], [110.0, 108.0, 103.0, 114.0]
    alone = statistics.gains(scores(**{"got-d": mine, "a": near}), "got-d")
    assert statistics.judgement(alone["a"]) == statistics.BETTER
    rivals = {name: [one + place for one in near] for place, name in enumerate("bcde")}
    among = statistics.gains(scores(**{"got-d": mine, "a": near, **rivals}), "got-d")
    assert among["a"].mean == alone["a"].mean
    assert statistics.judgement(among["a"]) == statistics.UNKNOWN
    unseen = statistics.verdict(scores(**{"got-d": mine, "a": near, **rivals}), "got-d")[0]
    assert "4 seeds show differences from about" in unseen


@pytest.mark.parametrize(
    ("metric", "mean", "margin"),
    [("micro_f1", 0.6, 0.01), ("nats_per_character", 1.5, 0.015), ("perplexity", 100.0, math.log(100.0))],
)
def test_what_does_not_matter_is_a_hundredth(metric, mean, margin):
    assert statistics.margin_of(metric, [mean, mean]) == pytest.approx(margin)


def test_f1_is_better_when_higher():
    found = scores("micro_f1", **{"got-d": [0.7, 0.71, 0.72], "none": [0.6, 0.612, 0.619]})
    assert "got-d is better than no warm-up" in statistics.verdict(found, "got-d")[0]
    assert statistics.metrics_in(found) == ["micro_f1"]
    assert statistics.summary(found)["none"]["micro_f1"].n == 3


def test_the_bootstrap_interval_is_beside_it_and_narrower_for_few_seeds():
    found = statistics.interval([1.0, 2.0, 4.0])
    assert found.bootstrap is not None
    low, high = found.bootstrap
    assert 1.0 <= low < found.mean < high <= 4.0
    assert high - low < 2 * found.half_width
    assert found.bootstrap == statistics.interval([1.0, 2.0, 4.0]).bootstrap
    same = statistics.interval([2.0, 2.0])
    assert (same.mean, same.half_width) == (2.0, 0.0)


@pytest.mark.parametrize(
    ("gains", "kind", "said"),
    [
        (
            {"none": AHEAD, "random": AHEAD},
            "better",
            "Worth it: got-d is better than no warm-up and random.",
        ),
        (
            {"none": AHEAD, "knn": SAME},
            "level",
            "Not worth it over every rival: got-d is level with knn, better than no warm-up.",
        ),
        (
            {"none": AHEAD, "knn": SAME, "dsir": SPREAD},
            "unknown",
            "Not shown to be worth it: got-d is not told apart from dsir, level with knn, better than no warm-up.",
        ),
        (
            {"none": AHEAD, "knn": [-one for one in AHEAD]},
            "worse",
            "Do not use this: got-d is worse than knn, better than no warm-up.",
        ),
        ({"none": [5.0]}, "unknown", "No verdict: one seed"),
        ({}, "unknown", "nothing was compared with got-d"),
    ],
)
def test_the_headline_is_the_worst_that_any_comparison_says(gains, kind, said):
    others = {name: [100 + gain for gain in found] for name, found in gains.items()}
    of_mine = [100.0] * max((len(found) for found in gains.values()), default=1)
    found = statistics.gains(scores(**{"got-d": of_mine, **others}), "got-d")
    judged, words = statistics.headline(found, "got-d")
    assert judged == kind
    assert said in words
