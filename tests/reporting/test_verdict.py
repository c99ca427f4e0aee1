import math

import pytest

from getmore_assets.reporting import statistics, verdict
from tests.reporting.test_statistics import scores

AHEAD, SAME, SPREAD = [5.0, 5.2, 4.9], [0.1, 0.0, -0.1], [9.0, -9.0, 1.0]  # perplexity, of about 100


@pytest.mark.parametrize(
    ("chosen", "other", "said"),
    [
        ([100.0, 101.0, 102.0], [110.0, 111.2, 112.1], "got-d is better than random"),
        ([110.0, 111.2, 112.1], [100.0, 101.0, 102.0], "do not use this"),
        ([100.0, 105.0, 110.0], [103.0, 100.0, 111.0], "no measurable benefit"),
        ([100.0], [110.0], "one seed: no verdict"),
    ],
)
def test_the_verdict_can_go_either_way(chosen, other, said):
    (line,) = verdict.sentences(scores(**{"got-d": chosen, "random": other}), "got-d")
    assert said in line


def test_a_difference_to_the_worse_is_said_the_other_way_round():
    worse = scores("micro_f1", **{"got-d": [0.5, 0.52], "random": [0.6, 0.61]})
    assert "micro_f1 lower by 0.095 ± " in verdict.sentences(worse, "got-d")[0]
    worse = scores(**{"got-d": [130.0, 131.0], "random": [100.0, 102.0]})
    assert "perplexity higher by 29.5 ± " in verdict.sentences(worse, "got-d")[0]


def test_rivals_are_judged_together():
    """A difference that would be shown alone is not where five are looked at."""
    mine, near = [100.0, 100.0, 100.0, 100.0], [110.0, 108.0, 103.0, 114.0]
    alone = verdict.gains(scores(**{"got-d": mine, "a": near}), "got-d")
    assert verdict.judgement(alone["a"]) == verdict.BETTER
    rivals = {name: [one + place for one in near] for place, name in enumerate("bcde")}
    among = verdict.gains(scores(**{"got-d": mine, "a": near, **rivals}), "got-d")
    assert among["a"].mean == alone["a"].mean
    assert verdict.judgement(among["a"]) == verdict.UNKNOWN
    unseen = verdict.sentences(scores(**{"got-d": mine, "a": near, **rivals}), "got-d")[0]
    assert "4 seeds show differences from about" in unseen


@pytest.mark.parametrize(
    ("metric", "mean", "margin"),
    [("micro_f1", 0.6, 0.01), ("nats_per_character", 1.5, 0.015), ("perplexity", 100.0, math.log(100.0))],
)
def test_what_does_not_matter_is_a_hundredth(metric, mean, margin):
    assert verdict.margin_of(metric, [mean, mean]) == pytest.approx(margin)


def test_f1_is_better_when_higher():
    found = scores("micro_f1", **{"got-d": [0.7, 0.71, 0.72], "none": [0.6, 0.612, 0.619]})
    assert "got-d is better than no warm-up" in verdict.sentences(found, "got-d")[0]
    assert statistics.metrics_in(found) == ["micro_f1"]
    assert statistics.summary(found)["none"]["micro_f1"].n == 3


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
            "No measurable benefit: got-d is not told apart from dsir, level with knn, better than no warm-up.",
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
    found = verdict.gains(scores(**{"got-d": of_mine, **others}), "got-d")
    judged, words = verdict.headline(found, "got-d")
    assert judged == kind
    assert said in words
