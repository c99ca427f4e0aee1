"""What undisturbed runs leave of the small targets: what races and damages are held against.

Belongs here: making them, each once, and the nearest of several. Does not: comparing one (`judge.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from getmore_assets.encoders import store
from getmore_assets.records import Records
from tests.drives.drive import Drive
from tests.drives.judge import UP_TO_SUBSET, Holds, Result, compare, holds, moved, vectors_of_task
from tests.drives.small import TARGETS, Small

#: The targets whose history of a pool that grew is known.
GROWING = TARGETS[:3]
#: What a lake holds, and the vectors of the task's rows.
Left = tuple[Holds, dict[str, np.ndarray]]


@dataclass
class References:
    """What undisturbed runs of the small targets leave.

    Attributes:
        drive: Whose sources they read.
    """

    drive: Drive
    _known: dict[tuple[str, str], Left] = field(default_factory=dict)

    def of(self, task: str, grown: bool = False) -> Iterator[Left]:
        """Yield what may be left of a target, each made when it is asked for.

        Args:
            task: Of the first three where the pool grew.
            grown: Whether the pool grew: then what a run on the grown one leaves, from nothing, after a run of this
                target on the small one, and after a run of another target on the small one.
        """
        histories = ("grown", "grew", "grew-before") if grown else ("small",)
        return (self._left(history, task) for history in histories)

    def _left(self, history: str, task: str) -> Left:
        if (history, task) not in self._known:
            self._make(history, task)
        return self._known[history, task]

    def _make(self, history: str, task: str) -> None:
        home = self.drive.home / f"undisturbed-{history}"
        if not home.exists():
            first = Small.new(home, self.drive.sources)
            came_before = {"grew": GROWING, "grew-before": GROWING[:1]}
            for name in came_before.get(history, ()):
                _run(first.another(name))
            if history != "small":
                first.grow_pool()
        place = Small(home).another(task)
        _run(place)
        self._known[history, task] = holds(place, UP_TO_SUBSET), vectors_of_task(place)

    def encoded(self, places: list[Small]) -> tuple[int, int]:
        """How many rows the makings of some targets have encoded, and how many distinct ones have vectors."""
        encoded, encoders = 0, set()
        for place in places:
            for stage in ("domain_triage", "embeddings"):
                for made in Records(place.lake, place.task).materializations(stage):
                    encoded += int(made.facts["encoded"])
                    encoders.add(made.facts["encoder"])
        rows = pl.read_delta(place.lake.table(store.TABLE)).filter(pl.col("encoder").is_in(list(encoders)))
        return encoded, rows.select("encoder", "id").n_unique()


def unlike(place: Small, expected: Iterable[Left], stages: Sequence[str] = UP_TO_SUBSET) -> list[str]:
    """What is wrong with a target, held against the nearest of what may be left of it; the search ends at one met."""
    nearest: list[str] | None = None
    for left, vectors in expected:
        tried = Result(place.task)
        try:
            compare(tried, left, holds(place, stages), apart=["embeddings"])
            tried.wrong += moved(vectors, vectors_of_task(place))
        except Exception as error:  # what is damaged may fail in any way
            tried.wrong.append(f"{type(error).__name__}: {error}"[:200])
        if nearest is None or len(tried.wrong) < len(nearest):
            nearest = tried.wrong
        if not nearest:
            break
    return nearest or []


def _run(place: Small) -> None:
    command = place.run("undisturbed", "select")
    if command.end():
        raise RuntimeError(f"an undisturbed run failed: {command.error or command.said} ({command.log})")
