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


def by_labels(means):
    """Three seeds each, with seconds; those of got-d are spread about the mean."""
    spread = {"got-d": (-0.05, 0.0, 0.05), "none": (0.0, 0.0, 0.0)}
    return pl.DataFrame(
        [
            {"selector": name, "seed": seed, "labels": count, "perplexity": mean + off, "micro_f1": mean + off}
            | {"selection_seconds": 2.0 * warms, "warmup_seconds": 3.0 * warms, "finetune_seconds": 1.0}
            for name, warms in (("got-d", True), ("none", False))
            for count, mean in zip((200, 500, 1000, 2000), means[name], strict=True)
            for seed, off in enumerate(spread[name])
        ]
    )


def along(labels, means):
    return [(float(at), statistics.Interval(mean, 0.1, 3)) for at, mean in zip(labels, means, strict=True)]


@pytest.mark.parametrize(
    ("chosen", "said", "paired"),
    [
        ([0.5, 0.6, 0.85, 0.9], "needs about 700 labels, 65% less", "with 1,000 it is {} by 0.15 ± 0.12"),
        ([0.75, 0.8, 0.85, 0.9], "needs 200 labels or fewer, at least 90% less", "with 200 it is {} by 0.05 ± 0.12"),
        ([0.2, 0.3, 0.4, 0.6], "labels saved: none", "with 2,000 it is {} by -0.1 ± 0.12"),
        ([0.5, 0.6, 0.65, 0.71], "the means got-d needs about 1,833 labels, 8% less", "2,000 it is {} by 0.01 ± 0.12"),
    ],
)
def test_labels_saved_are_read_off_the_curve(chosen, said, paired):
    rising = {"got-d": chosen, "none": [0.3, 0.4, 0.5, 0.7]}
    found = statistics.labels_saved(by_labels(rising), "micro_f1", "got-d")
    assert said in found
    assert paired.format("higher") in found
    assert "warm-up and fine-tuning take 6 s then, fine-tuning with all alone 1 s" in found
    falling = {name: [1 - mean for mean in means] for name, means in rising.items()}
    found = statistics.labels_saved(by_labels(falling), "perplexity", "got-d")
    assert said in found
    assert paired.format("lower") in found


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [([0.5, 0.6, 0.85, 0.9], True), ([0.5, 0.6, 0.65, 0.71], False), ([0.2, 0.3, 0.4, 0.6], False)],
)
def test_labels_saved_are_shown_only_where_the_warm_up_helps_with_as_many(chosen, shown):
    runs = by_labels({"got-d": chosen, "none": [0.3, 0.4, 0.5, 0.7]})
    found = statistics.labels_saved(runs, "micro_f1", "got-d")
    assert ("not shown" not in found and "labels saved: none" not in found) == shown
    of_one_seed = statistics.labels_saved(runs.filter(pl.col("seed") == 0), "micro_f1", "got-d")
    assert "not shown" in of_one_seed or "labels saved: none" in of_one_seed


def test_a_curve_is_in_order_with_its_intervals():
    frame = pl.DataFrame(
        {"selector": ["a", "a", "b", "a", "a"], "seed": [0, 1, 0, 0, 1], "share": [1.0, 1.0, 1.0, 0.5, 0.5]}
    ).with_columns(perplexity=pl.Series([10.0, 12.0, 9.0, 20.0, 22.0]))
    found = statistics.curve(frame, "share", "perplexity")
    assert [(at, one.mean, one.n) for at, one in found["a"]] == [(0.5, 21.0, 2), (1.0, 11.0, 2)]
    assert [at for at, _ in found["b"]] == [1.0]


@pytest.mark.parametrize(
    ("means", "said"), [([60.0, 64.0, 63.0, 80.0], "nearer is better here"), ([9.0, 8.0, 7.0], "not")]
)
def test_whether_nearer_is_better_is_said(means, said):
    assert said in statistics.nearer_is_better(along(range(len(means)), means), "perplexity")
    turned = along(range(len(means)), [1 / mean for mean in means])
    assert said in statistics.nearer_is_better(turned, "micro_f1")


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
