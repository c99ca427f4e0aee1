"""Sentences on what to do after a scorecard.

Belongs here: the next commands, from verdict and gates. Does not: the verdict (`verdict.py`).
"""

import math

from getmore_assets.config import DEFAULT, Task
from getmore_assets.reporting.gates import Gate
from getmore_assets.reporting.statistics import shown
from getmore_assets.reporting.verdict import BETTER, LEVEL, UNKNOWN, WORSE, Gain, judgement, visible

_MOST_SEEDS = 30  # a difference that needs more seeds is too small to matter
_FEWEST_SEEDS = 5


def next_steps(task: Task, gains: dict[str, Gain], gates: list[Gate], kind: str) -> list[str]:
    """Return what to do next, the most useful first.

    Args:
        task: The task.
        gains: Gains of the chosen selector over the others.
        gates: The gates.
        kind: The kind of the headline's verdict.
    """
    remedies = [gate.remedy for gate in gates if gate.passed is False]
    if kind == BETTER:  # a failed gate is then no reason to doubt the result
        steps = ["Use the model: `getmore export TASK.yaml --format finetuned_model --to FOLDER`"]
        steps += ["Look at what it forgot, under Cost and forgetting, before you do", *remedies]
    else:
        steps = remedies
    if kind == WORSE:
        better = [shown(other) for other, gain in gains.items() if judgement(gain) == WORSE]
        other = f", or try `selection.selector: {DEFAULT}`" if task.selection.selector != DEFAULT else ""
        steps.append(f"Use {better[0]} instead{other}")
    elif kind == LEVEL:
        steps.append("Use the cheapest of the level selectors: see Cost and forgetting")
    if task.seeds < _FEWEST_SEEDS and kind != BETTER:
        steps.append(f"Measure more seeds: `getmore compare TASK.yaml --seeds {_FEWEST_SEEDS}`; {_visible(gains)}")
    elif kind == UNKNOWN:
        steps.append(_seeds_needed(gains) or f"Stop here, or change the task: {_visible(gains)}")
    unmeasured = [gate.said for gate in gates if gate.passed is None]
    return steps + [sentence[0].upper() + sentence[1:] for sentence in unmeasured]


def _visible(gains: dict[str, Gain]) -> str:
    """Return a sentence on the differences that the seeds could have shown."""
    measured = [gain for gain in gains.values() if not math.isnan(gain.smallest)]
    if not measured:
        return "one seed says nothing about the noise"
    return visible(max(measured, key=lambda gain: gain.smallest))


def _seeds_needed(gains: dict[str, Gain]) -> str | None:
    """Return a sentence on how many seeds would show the measured difference; None if they are too many."""
    unseen = {other: gain for other, gain in gains.items() if judgement(gain) == UNKNOWN and gain.mean}
    needed = {other: math.ceil(gain.n * (gain.smallest / gain.mean) ** 2) for other, gain in unseen.items()}
    needed = {other: count for other, count in needed.items() if count <= _MOST_SEEDS}
    if not needed:
        return None
    other, count = max(needed.items(), key=lambda item: item[1])
    mean = unseen[other].mean
    return f"About {count} seeds would show a difference like that from {shown(other)} ({mean:.2g}): `--seeds {count}`"
