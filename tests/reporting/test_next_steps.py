"""What to do next follows from the verdict, the seeds and the gates."""

import math

import polars as pl
import pytest

from getmore_assets.config import Task
from getmore_assets.reporting import figures
from getmore_assets.reporting.gates import Gate
from getmore_assets.reporting.next_steps import next_steps
from getmore_assets.reporting.seeds import per_seed, range_of
from getmore_assets.reporting.statistics import Interval
from getmore_assets.reporting.verdict import BETTER, LEVEL, UNKNOWN, WORSE, Gain


def task(seeds):
    return Task(name="t", candidates=["p.jsonl"], target={"train": "t.jsonl"}, seeds=seeds)


def gain(mean, p=0.5, smallest=1.0, n=5, level=False):
    return Gain(mean, 1.0, n, p=p, level=level, margin=0.01, smallest=smallest)


def test_too_few_seeds_are_the_first_thing_to_mend():
    found = next_steps(task(2), {"none": gain(0.15, smallest=1.2, n=2)}, [], UNKNOWN)
    assert found == [
        "Measure more seeds: `getmore compare TASK.yaml --seeds 5`; 2 seeds show differences from about 1.2 on"
    ]
    one = next_steps(task(1), {"none": gain(0.15, p=math.nan, smallest=math.nan, n=1)}, [], UNKNOWN)
    assert "one seed says nothing about the noise" in one[0]


def test_a_difference_that_the_metric_cannot_have_is_not_named():
    wide = Gain(0.1, 1.6, 2, p=0.9, smallest=2.4, largest=1.0)
    (found,) = next_steps(task(2), {"none": wide}, [], UNKNOWN)
    assert found.endswith("2 seeds show no difference that this metric can have")


def test_how_many_seeds_a_difference_needs_is_said_where_it_is_worth_it():
    near = next_steps(task(5), {"none": gain(0.5, smallest=1.0)}, [], UNKNOWN)
    assert near == ["About 20 seeds would show a difference like that from no warm-up (0.5): `--seeds 20`"]
    far = next_steps(task(5), {"none": gain(0.01, smallest=1.0)}, [], UNKNOWN)
    assert far == ["Stop here, or change the task: 5 seeds show differences from about 1 on"]


@pytest.mark.parametrize(
    ("kind", "gains", "said"),
    [
        (BETTER, {"none": gain(1, p=0.001)}, "finetuned_model"),
        (WORSE, {"none": gain(1, p=0.001), "random": gain(-1, p=0.001)}, "Use random instead"),
        (LEVEL, {"none": gain(0, level=True)}, "Use the cheapest"),
    ],
)
def test_a_verdict_has_a_next_step(kind, gains, said):
    assert said in next_steps(task(5), gains, [], kind)[0]


def test_a_gate_in_the_way_comes_first_and_one_that_could_not_be_looked_at_last():
    gates = [Gate("oracle", None, "add `target` to `compare`"), Gate("dose", False, "too short", "Warm up longer")]
    found = next_steps(task(5), {"none": gain(0.5)}, gates, UNKNOWN)
    assert found[0] == "Warm up longer"
    assert found[-1] == "Add `target` to `compare`"


def test_a_model_that_is_better_is_used_whatever_gate_failed():
    gates = [Gate("dose", False, "too short", "Warm up longer")]
    found = next_steps(task(5), {"none": gain(1, p=0.001)}, gates, BETTER)
    assert "finetuned_model" in found[0]
    assert found[-1] == "Warm up longer"


@pytest.mark.parametrize(
    ("metric", "low", "high"),
    [("micro_f1", 0, 1), ("matthews", -1, 1), ("perplexity", 1, math.inf), ("general_nats_per_character", 0, math.inf)],
)
def test_an_axis_ends_where_the_metric_does(metric, low, high, tmp_path):
    assert range_of(metric) == (low, high)
    near = 0.98 if high == 1 else low + 0.02
    drawn = {}

    def keep(figure, path):
        drawn["axes"] = figure.axes[0]
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "_save", keep)
        figures.scorecard({"none": {metric: Interval(near, 0.4, 3)}}, {"none": [near]}, metric, "got-d", tmp_path / "x")
    left, right = drawn["axes"].get_xlim()
    assert left >= low - 0.03
    assert right <= high + 0.03
    segments = [s for c in drawn["axes"].collections for s in c.get_segments()]
    assert segments
    assert all(low <= x <= high for segment in segments for x, _ in segment)


def test_every_seed_is_kept_in_order():
    scores = pl.DataFrame({"selector": ["b", "a", "b", "a"], "seed": [1, 0, 0, 1], "m": [2.0, 3.0, 1.0, None]})
    assert per_seed(scores, "m") == {"b": [1.0, 2.0], "a": [3.0]}
