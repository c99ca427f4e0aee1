"""How much a task asks for: which trainings a comparison makes, and how much each station has to do.

Belongs here: counting, exactly where a task says it. Does not: what it takes (`estimates.py`).
"""

import math
from dataclasses import dataclass

from getmore_assets.config import NONE, RANDOM_INIT, TARGET, Budget, Task
from getmore_assets.corpus.target import GENERAL_ROWS


@dataclass(frozen=True)
class Run:
    """A training of the comparison, so many times: what it warms up on, as a share of the selection, and its labels.

    `warmups` of them warm up; the others have no warm-up, or start from a model that another run has warmed up.
    """

    selector: str
    times: int
    share: float
    warmups: int
    labels: int | None = None


def comparison(task: Task) -> list[Run]:
    """Every run of the comparison that is not the line's own models.

    As `defs/comparison.py` makes them: the chosen selector, no warm-up, one on the target's own text and the other
    selectors with every seed; then curves with fewer labels and smaller budgets, and slices of the pool.
    """
    seeds, chosen = task.seeds, task.selection.called
    none = [name for name in task.unselected if name == NONE]
    unwarmed = [name for name in task.unselected if name in (NONE, RANDOM_INIT)]
    rivals = [one.called for one in task.rivals]
    runs = [Run(chosen, seeds - 1, 1.0, seeds - 1)]
    runs += [Run(name, seeds, 0.0, 0) for name in unwarmed]
    runs += [Run(name, seeds, 1.0, seeds) for name in task.unselected if name == TARGET]
    runs += [Run(name, seeds, 1.0, seeds) for name in rivals]
    # The chosen one's first seed is the line's own model: for the curve it is warmed up once again.
    runs += [Run(chosen, seeds, 1.0, int(not number), labels) for number, labels in enumerate(task.curves.labels)]
    runs += [Run(name, seeds, 0.0, 0, labels) for name in none for labels in task.curves.labels]
    runs += [Run(name, seeds, share, seeds) for name in (chosen, *rivals) for share in task.curves.budgets]
    slices = seeds * task.curves.quantiles
    runs += [Run("slices of the pool", slices, 1.0, slices)]
    return [run for run in runs if run.times]


@dataclass(frozen=True)
class Counts:
    """How many rows go through the line.

    Attributes:
        rows: Of the sources.
        passages: They are cut into.
        words: In the passages: words and punctuation marks.
        candidates: That may be chosen.
        sampled: By triage.
        splits: Of the target.
        general: Of general text.
        picks: Selected.
        picked_words: In them.
        missing: Texts without a vector.
        first: Of these, those that triage will encode.
    """

    rows: int
    passages: int
    words: int
    candidates: int
    sampled: int
    splits: dict[str, int]
    general: int
    picks: int
    picked_words: int
    missing: int
    first: int

    @property
    def points(self) -> int:
        """Rows of the target that are points of the transport problem."""
        return self.splits.get("train", 0) + self.splits.get("negative", 0)


def picks(budget: Budget, candidates: int, words_a_pick: float) -> int:
    """Rows that a budget pays for."""
    if budget.rows is not None:
        return budget.rows
    if budget.fraction is not None:
        return math.ceil(budget.fraction * candidates)
    return round((budget.tokens or 0) / max(1.0, words_a_pick))


def general_rows(task: Task, splits: dict[str, int], passages: int) -> int:
    """Rows of general text that forgetting is measured on."""
    there = splits["general"] if "general" in splits else round(task.corpus.held_out * passages)
    return min(GENERAL_ROWS, there)
