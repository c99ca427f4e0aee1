"""Whether a task can tell one selection from another at all, before anything is said of a selection.

Belongs here: the gates, each with its figure, and what a verdict becomes where one is not passed. Does not: the
comparisons themselves (`statistics.py`).
"""

import math
from dataclasses import dataclass

import polars as pl

from getmore_assets.config import BAG_OF_WORDS, NONE, RANDOM_INIT, TARGET, Task
from getmore_assets.records import Record
from getmore_assets.reporting import statistics
from getmore_assets.training_facts import Training

_STANDARD_ERRORS = 2.0  # by which the target's own text must be ahead of no warm-up
_AHEAD = 0.05  # of accuracy or F1: by how much the base model must beat words, and its own random weights
_DOSE = 0.5  # the least ratio of the learning rates' sums, warm-up to fine-tuning


@dataclass(frozen=True)
class Gate:
    """One condition on a task.

    Attributes:
        name: oracle, headroom or dose.
        passed: Whether the task passes; None if the scorecard lacks the runs that the gate compares.
        said: The measured figure in words, or which runs to add to `compare`.
        remedy: What to change where it is not passed.
    """

    name: str
    passed: bool | None
    said: str
    remedy: str = ""


def gates(scores: pl.DataFrame, task: Task, made: dict[str, Record]) -> list[Gate]:
    """Look at every gate that applies to a scorecard.

    Args:
        scores: One row per selector and seed.
        task: Its recipes.
        made: The records of `warmed_model` and `finetuned_model`, with the steps that each took.
    """
    found = [_oracle(scores)]
    if statistics.main_metric(scores) == "micro_f1":
        found.append(_headroom(scores))
    steps, tuned = (Training.of(made[stage]).steps for stage in ("warmed_model", "finetuned_model"))
    if tuned:
        found.append(_dose(task, steps, tuned))
    return found


def failed(found: list[Gate]) -> str | None:
    """Return why a task cannot tell, or None where no gate stands in the way."""
    why = [gate.said for gate in found if gate.passed is False]
    return "; ".join(why) if why else None


def _oracle(scores: pl.DataFrame) -> Gate:
    """A warm-up on the target's own text must be better than none: no selection can be expected to do more."""
    metric, there = statistics.main_metric(scores), set(scores["selector"])
    if not {NONE, TARGET} <= there:
        lacking = _named([NONE, TARGET], there)
        return Gate("oracle", None, f"add {lacking} to `compare` to see what a warm-up can be worth here")
    gain = statistics.paired(scores, TARGET, NONE, metric)
    if math.isnan(gain.half_width):
        return Gate("oracle", None, "one seed: whether the target's own text helps cannot be told from noise")
    amount = f"warming up on the target's own text moves {metric} by {gain} against no warm-up"
    passed = gain.mean > 0 and gain.mean >= _STANDARD_ERRORS * gain.standard_error
    said = amount if passed else f"{amount}, less than two standard errors to the better"
    remedy = "No selection does more than the target's own text: warm up longer, take another base model, or stop"
    return Gate("oracle", passed, said, remedy)


def _headroom(scores: pl.DataFrame) -> Gate:
    metric = statistics.main_metric(scores)
    means = dict(scores.group_by("selector").agg(pl.col(metric).mean()).rows())
    floors = {name: means[name] for name in (BAG_OF_WORDS, RANDOM_INIT) if name in means}
    if NONE not in means or not floors:
        lacking = _named([NONE, BAG_OF_WORDS, RANDOM_INIT], set(means))
        return Gate("headroom", None, f"add {lacking} to `compare` to see whether the base model knows more than words")
    name, floor = max(floors.items(), key=lambda pair: pair[1])
    amount = f"the base model reaches {metric} {means[NONE]:.3f}, {statistics.shown(name)} {floor:.3f}"
    passed = means[NONE] - floor >= _AHEAD
    said = amount if passed else f"{amount}: less than {_AHEAD} apart"
    return Gate("headroom", passed, said, "Take a stronger `base_model`: this one does little more than count words")


def _named(wanted: list[str], there: set[str]) -> str:
    """The selectors that are not there, in words."""
    *others, last = [f"`{name}`" for name in wanted if name not in there]
    return f"{', '.join(others)} and {last}" if others else last


def _dose(task: Task, steps: int, tuned_steps: int) -> Gate:
    """Both schedules fall to 0 on a line, so the sum of the learning rates is half of steps times the highest."""
    warmup, finetune = task.warmup.learning_rate, task.finetune.learning_rate
    ratio = warmup * steps / (finetune * tuned_steps)
    sums = f"{steps:,} steps at {warmup:g} against {tuned_steps:,} at {finetune:g}"
    amount = f"its learning rate, summed over steps, is {ratio:.2g} times that of fine-tuning ({sums})"
    if ratio >= _DOSE:
        return Gate("dose", True, f"the warm-up is long enough to move the model: {amount}")
    times = f"{_DOSE / ratio:.2g} times" if ratio else "many times"
    remedy = f"Make the warm-up about {times} as long: raise `selection.budget`, `warmup.epochs` or both"
    return Gate("dose", False, f"the warm-up is too short to move the model: {amount}, less than {_DOSE}", remedy)
