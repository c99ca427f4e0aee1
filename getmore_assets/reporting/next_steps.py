"""What to do after a scorecard, in words.

Belongs here: from verdict, gates and what was dropped to the next command. Does not: the verdict (`verdict.py`).
"""

import math

from getmore_assets.config import Task
from getmore_assets.reporting.gates import Gate
from getmore_assets.reporting.statistics import shown
from getmore_assets.reporting.verdict import BETTER, LEVEL, UNKNOWN, WORSE, Gain, judgement, visible

_MOST_SEEDS = 30  # beyond which a difference is too small to be worth showing
_FEWEST_SEEDS = 5


def next_steps(task: Task, gains: dict[str, Gain], gates: list[Gate], kind: str) -> list[str]:
    """Return what to do next, the most useful first.

    Args:
        task: Whose scorecard it is.
        gains: Of the chosen selector over the others, on the judged metric.
        gates: Whether the task can tell selections apart.
        kind: The verdict on all comparisons at once.
    """
    remedies = [gate.remedy for gate in gates if gate.passed is False]
    if kind == BETTER:  # a gate that failed is then no reason to doubt the result
        said = ["Use the model: `getmore export TASK.yaml --format finetuned_model --to FOLDER`"]
        said += ["Look at what it forgot, under Cost and forgetting, before you do", *remedies]
    else:
        said = remedies
    if kind == WORSE:
        ahead = [shown(other) for other, gain in gains.items() if judgement(gain) == WORSE]
        said.append(f"Use {ahead[0]} instead, or try `selection.selector: got-d-rounds`")
    elif kind == LEVEL:
        said.append("Use the cheapest of the level selectors: see Cost and forgetting")
    if task.seeds < _FEWEST_SEEDS and kind != BETTER:
        said.append(f"Measure more seeds: `getmore compare TASK.yaml --seeds {_FEWEST_SEEDS}`; {_so_far(gains)}")
    elif kind == UNKNOWN:
        said.append(_seeds_needed(gains) or f"Stop here, or change the task: {_so_far(gains)}")
    untold = [gate.said for gate in gates if gate.passed is None]
    return said + [one[0].upper() + one[1:] for one in untold]


def _so_far(gains: dict[str, Gain]) -> str:
    """What so many seeds could have shown."""
    found = [gain for gain in gains.values() if not math.isnan(gain.smallest)]
    if not found:
        return "one seed shows nothing of the noise"
    return visible(max(found, key=lambda gain: gain.smallest))


def _seeds_needed(gains: dict[str, Gain]) -> str | None:
    """How many seeds would show a difference like the one that was measured, where that is not too many."""
    unseen = {other: gain for other, gain in gains.items() if judgement(gain) == UNKNOWN and gain.mean}
    needed = {other: math.ceil(gain.n * (gain.smallest / gain.mean) ** 2) for other, gain in unseen.items()}
    needed = {other: count for other, count in needed.items() if count <= _MOST_SEEDS}
    if not needed:
        return None
    other, count = max(needed.items(), key=lambda item: item[1])
    mean = unseen[other].mean
    return f"About {count} seeds would show a difference like that from {shown(other)} ({mean:.2g}): `--seeds {count}`"
