"""What undisturbed runs of the small targets leave; races and damages are compared with it.

Belongs here: these runs, each once, and finding the most similar one. Does not: comparing two lakes (`judge.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from getmore_assets.encoders import store
from getmore_assets.records import Records
from tests.drives.drive import Drive
from tests.drives.judge import UP_TO_SUBSET, Contents, Result, compare, contents, vector_differences, vectors_of_task
from tests.drives.small import TARGETS, Small

#: The targets that have undisturbed runs with a growing pool.
GROWING = TARGETS[:3]
#: The contents of a lake, and the vectors of the task's rows.
Expected = tuple[Contents, dict[str, np.ndarray]]


@dataclass
class References:
    """What undisturbed runs of the small targets leave.

    Attributes:
        drive: The drive, with the sources.
    """

    drive: Drive
    _known: dict[tuple[str, str], Expected] = field(default_factory=dict)

    def of(self, task: str, grown: bool = False) -> Iterator[Expected]:
        """Yield each allowed result for a target; a result is computed when it is reached.

        Args:
            task: The target; one of the first three if the pool grew.
            grown: Whether the pool grew. Then there are three results of a run on the grown pool: on a new lake, after
                a run of this target on the small pool, and after a run of another target on the small pool.
        """
        histories = ("grown", "grew", "grew-before") if grown else ("small",)
        return (self._left(history, task) for history in histories)

    def _left(self, history: str, task: str) -> Expected:
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
        self._known[history, task] = contents(place, UP_TO_SUBSET), vectors_of_task(place)

    def encoded(self, places: list[Small]) -> tuple[int, int]:
        """Return how many rows were encoded for some targets, and how many distinct rows have vectors."""
        encoded, encoders = 0, set()
        for place in places:
            for stage in ("domain_triage", "embeddings"):
                for record in Records(place.lake, place.task).materializations(stage):
                    encoded += int(record.facts["encoded"])
                    encoders.add(record.facts["encoder"])
        rows = pl.read_delta(place.lake.table(store.TABLE)).filter(pl.col("encoder").is_in(list(encoders)))
        return encoded, rows.select("encoder", "id").n_unique()


def differences(place: Small, expected: Iterable[Expected], stages: Sequence[str] = UP_TO_SUBSET) -> list[str]:
    """Return the fewest differences of a target from an allowed result; stop at a result without differences."""
    fewest: list[str] | None = None
    for allowed, vectors in expected:
        result = Result(place.task)
        try:
            compare(result, allowed, contents(place, stages), apart=["embeddings"])
            result.wrong += vector_differences(vectors, vectors_of_task(place))
        except Exception as error:  # a damaged lake may raise any exception
            result.wrong.append(f"{type(error).__name__}: {error}"[:200])
        if fewest is None or len(result.wrong) < len(fewest):
            fewest = result.wrong
        if not fewest:
            break
    return fewest or []


def _run(place: Small) -> None:
    command = place.run("undisturbed", "select")
    if command.end():
        raise RuntimeError(f"an undisturbed run failed: {command.error or command.last_line} ({command.log})")
