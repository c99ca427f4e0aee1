"""Gates: whether a task can tell selections apart at all.

Belongs here: the gates, each with its measured figure and remedy. Does not: comparing selectors (`statistics.py`).
"""

import math
from dataclasses import dataclass

import polars as pl

from getmore_assets.config import BAG_OF_WORDS, NONE, RANDOM_INIT, TARGET, Task
from getmore_assets.records import Record
from getmore_assets.reporting import statistics
from getmore_assets.training_facts import Training

_STANDARD_ERRORS = 2.0  # the least gain of the target's own text over no warm-up, in standard errors
_HEADROOM = 0.05  # the least gain of the base model over a bag of words and random weights, in micro_f1
_DOSE = 0.5  # the least ratio of the summed learning rates, warm-up to fine-tuning


@dataclass(frozen=True)
class Gate:
    """One condition on a task.

    Attributes:
        name: oracle, headroom or dose.
        passed: Whether the task passes; None if the scorecard lacks the runs that the gate compares.
        said: A sentence with the measured figure, or with the runs to add to `compare`.
        remedy: What to change if the gate fails.
    """

    name: str
    passed: bool | None
    said: str
    remedy: str = ""


def gates(scores: pl.DataFrame, task: Task, records: dict[str, Record]) -> list[Gate]:
    """Return the gates that apply to a scorecard.

    Args:
        scores: One row per selector and seed.
        task: The task.
        records: The records of `warmed_model` and `finetuned_model`.
    """
    results = [_oracle(scores)]
    if statistics.main_metric(scores) == "micro_f1":
        results.append(_headroom(scores))
    steps, tuned = (Training.of(records[stage]).steps for stage in ("warmed_model", "finetuned_model"))
    if tuned:
        results.append(_dose(task, steps, tuned))
    return results


def failed(results: list[Gate]) -> str | None:
    """Return why a task cannot tell selections apart, or None if no gate failed."""
    why = [gate.said for gate in results if gate.passed is False]
    return "; ".join(why) if why else None


def _oracle(scores: pl.DataFrame) -> Gate:
    """Require that a warm-up on the target's own text helps; no selection can be expected to do more."""
    metric, measured = statistics.main_metric(scores), set(scores["selector"])
    if not {NONE, TARGET} <= measured:
        lacking = _named([NONE, TARGET], measured)
        return Gate("oracle", None, f"add {lacking} to `compare` to see what a warm-up can be worth here")
    gain = statistics.paired(scores, TARGET, NONE, metric)
    if math.isnan(gain.half_width):
        return Gate("oracle", None, "one seed: whether the target's own text helps cannot be told from noise")
    amount = f"warming up on the target's own text moves {metric} by {gain} against no warm-up"
    passed = gain.mean > 0 and gain.mean >= _STANDARD_ERRORS * gain.standard_error
    said = amount if passed else f"{amount}, less than two standard errors better"
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
    passed = means[NONE] - floor >= _HEADROOM
    said = amount if passed else f"{amount}: less than {_HEADROOM} apart"
    return Gate("headroom", passed, said, "Take a stronger `base_model`: this one does little more than count words")


def _named(names: list[str], present: set[str]) -> str:
    """Return the names that are not present, as a list with "and"."""
    *others, last = [f"`{name}`" for name in names if name not in present]
    return f"{', '.join(others)} and {last}" if others else last


def _dose(task: Task, steps: int, tuned_steps: int) -> Gate:
    """Compare the summed learning rates; both schedules fall linearly to 0, so a sum is half of steps times maximum.

    Of several rates of fine-tuning, the largest counts.
    """
    warmup, finetune = task.warmup.learning_rate, max(task.finetune.rates)
    ratio = warmup * steps / (finetune * tuned_steps)
    sums = f"{steps:,} steps at {warmup:g} against {tuned_steps:,} at {finetune:g}"
    amount = f"its learning rate, summed over steps, is {ratio:.2g} times that of fine-tuning ({sums})"
    if ratio >= _DOSE:
        return Gate("dose", True, f"the warm-up is long enough to move the model: {amount}")
    times = f"{_DOSE / ratio:.2g} times" if ratio else "many times"
    remedy = f"Make the warm-up about {times} as long: raise `selection.budget`, `warmup.epochs` or both"
    return Gate("dose", False, f"the warm-up is too short to move the model: {amount}, less than {_DOSE}", remedy)
