"""Gates: a task that cannot tell selections apart is told from one in which a selection is worth nothing."""

from types import SimpleNamespace

import pytest
from scipy.stats import sem

from getmore_assets.config import Task
from getmore_assets.reporting import statistics, verdict
from getmore_assets.reporting.gates import failed, gates
from tests.reporting.test_statistics import scores

TASK = Task(
    name="t",
    candidates=[{"path": "p.parquet"}],
    target={"train": "t.jsonl"},
    warmup={"learning_rate": 1e-4},
    finetune={"learning_rate": 2e-4},
)
NONE, AHEAD, NOISY = [100.0, 101.0, 102.0], [90.0, 90.8, 92.1], [70.0, 130.0, 100.0]


def made(warmed=100, tuned=100):
    steps = {"warmed_model": warmed, "finetuned_model": tuned}
    return {name: SimpleNamespace(facts={"steps": count}) for name, count in steps.items()}


def gate(name, found):
    return next(one for one in found if one.name == name)


@pytest.mark.parametrize(("target", "passed"), [(AHEAD, True), (NOISY, False), ([110.0, 111.0, 112.2], False)])
def test_the_oracle_is_ahead_of_no_warm_up_by_two_standard_errors(target, passed):
    found = gates(scores(**{"got-d": NONE, "none": NONE, "target": target}), TASK, made())
    oracle = gate("oracle", found)
    assert oracle.passed is passed
    assert ("less than two standard errors" in oracle.said) is not passed
    assert (failed(found) is None) is passed


@pytest.mark.parametrize("arms", [{"none": NONE}, {"target": AHEAD}, {"none": [100.0], "target": [90.0]}])
def test_what_was_not_measured_is_neither_passed_nor_failed(arms):
    found = gates(scores(**{"got-d": NONE[: len(next(iter(arms.values())))], **arms}), TASK, made())
    assert gate("oracle", found).passed is None
    assert failed(found) is None


@pytest.mark.parametrize(
    ("floors", "passed"),
    [
        ({"bag-of-words": [0.50, 0.50]}, True),
        ({"bag-of-words": [0.56, 0.56]}, False),
        ({"bag-of-words": [0.40, 0.40], "random-init": [0.58, 0.59]}, False),
        ({}, None),
    ],
)
def test_a_classifier_must_beat_words_and_its_own_random_weights(floors, passed):
    arms = {"got-d": [0.6, 0.61], "none": [0.6, 0.602], "target": [0.7, 0.701], **floors}
    found = gates(scores("micro_f1", **arms), TASK, made())
    assert gate("headroom", found).passed is passed
    if passed is False:
        assert next(iter(sorted(floors, key=lambda name: -floors[name][0]))) in failed(found).replace(
            "random weights", "random-init"
        ).replace("a bag of words", "bag-of-words")


@pytest.mark.parametrize(("warmed", "tuned", "passed"), [(100, 100, True), (99, 100, False), (10, 300, False)])
def test_the_dose_is_the_ratio_of_summed_learning_rates(warmed, tuned, passed):
    found = gates(scores(**{"got-d": NONE}), TASK, made(warmed, tuned))
    assert gate("dose", found).passed is passed
    ratio = warmed * 1e-4 / (tuned * 2e-4)
    assert f"{ratio:.2g} times" in gate("dose", found).said
    assert (f"about {0.5 / ratio:.2g} times as long" in gate("dose", found).remedy) is not passed


def test_without_fine_tuning_there_is_no_dose():
    assert [one.name for one in gates(scores(**{"got-d": NONE}), TASK, made(tuned=0))] == ["oracle"]


def test_what_is_level_is_unknown_where_the_task_cannot_tell_and_what_is_shown_stays_shown():
    level = scores(**{"got-d": [100.0, 105.0, 110.0], "random": [103.0, 100.0, 111.0]})
    cannot_tell = failed(gates(level, TASK, made(1, 100)))
    kind, words = verdict.headline(verdict.gains(level, "got-d"), "got-d", cannot_tell)
    assert kind == verdict.UNKNOWN
    assert words.startswith("This task cannot tell whether got-d is worth it: the warm-up is too short")
    assert "this task cannot tell: got-d against random" in verdict.sentences(level, "got-d", tells=False)[0]
    better = verdict.gains(scores(**{"got-d": AHEAD, "random": NONE}), "got-d")
    assert verdict.headline(better, "got-d", cannot_tell)[0] == verdict.BETTER


def test_only_runs_that_are_lacking_are_named():
    found = gates(scores("micro_f1", **{"got-d": [0.6, 0.61], "none": [0.6, 0.602]}), TASK, made())
    assert gate("oracle", found).said.startswith("add `target` to `compare`")
    assert gate("headroom", found).said.startswith("add `bag-of-words` and `random-init` to `compare`")


def test_the_references_are_no_rivals():
    arms = dict.fromkeys(("target", "bag-of-words", "random-init"), AHEAD)
    found = scores(**{"got-d": NONE, "none": NONE, **arms})
    assert list(verdict.gains(found, "got-d")) == ["none"]
    assert statistics.interval(AHEAD).standard_error == pytest.approx(sem(AHEAD))
