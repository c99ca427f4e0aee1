"""The cursors of the sensors, and the targets that a sensor should run.

Belongs here: the memory of a sensor between two evaluations, and comparing it with the sources' versions. Does not:
reading versions, or requesting runs (`defs/sensors.py`).
"""

import json
from dataclasses import dataclass, field, fields

from getmore_assets.delta_versions import Seen
from getmore_assets.json_models import JsonObject

MOST_ATTEMPTS = 3  # runs for one version: the first, and two more if it is interrupted


@dataclass
class LastRequest:
    """The last run that a sensor requested for a target.

    Attributes:
        version: The data version of the watched sources.
        number: Number of runs requested so far, so that a run for a version seen before gets a new run key.
        attempts: Number of runs requested for this version. An interrupted run (a machine went down) is requested
            again, up to `MOST_ATTEMPTS` in all; a run that failed by itself is not, because it would fail again.
        approved: Hash of the last approved selection whose training was requested.
    """

    version: str
    number: int = 0
    attempts: int = 1
    approved: str | None = None


@dataclass
class SensorCursor:
    """The memory of a sensor between two evaluations.

    Attributes:
        asked: The last request by target.
        seen: The versions of Delta tables, by path.
        suspects: Runs whose process could not be found at the last evaluation.
        failing: Targets whose last run had failed at the last evaluation.
        interrupted: Targets whose last run had been interrupted at the last evaluation.
        looked_at: Time of the last evaluation, in seconds since 1970.
    """

    asked: dict[str, LastRequest] = field(default_factory=dict)
    seen: Seen = field(default_factory=dict)
    suspects: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    looked_at: float | None = None

    def dump(self) -> str:
        """Return the cursor as JSON."""
        return json.dumps(self, default=lambda value: value.__dict__, sort_keys=True)

    @classmethod
    def load(cls, cursor: str | None) -> "SensorCursor":
        """Return the cursor of a JSON text; an empty one at the first evaluation."""
        raw: JsonObject = json.loads(cursor) if cursor else {}
        asked = {name: LastRequest(**request) for name, request in raw.pop("asked", {}).items()}
        seen = {path: (version, newest) for path, (version, newest) in raw.pop("seen", {}).items()}
        names = {field.name for field in fields(cls)}
        return cls(asked=asked, seen=seen, **{name: value for name, value in raw.items() if name in names})


@dataclass
class FolderCursor:
    """The memory of the sensor of task files between two evaluations.

    Attributes:
        known: Names of tasks that had a file at some evaluation.
        missing: The names of `known` that had no file at the last evaluation.
    """

    known: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def update(self, names: set[str], complete: bool) -> set[str]:
        """Return the names that have had no file at two evaluations in a row, and forget them.

        Args:
            names: The names of the task files now.
            complete: Whether every file of the folder could be read; if not, no name is returned.
        """
        missing = set(self.known) - names
        gone = missing & set(self.missing) if complete else set[str]()
        self.known, self.missing = sorted((set(self.known) | names) - gone), sorted(missing - gone)
        return gone

    def dump(self) -> str:
        """Return the cursor as JSON."""
        return json.dumps(self.__dict__)

    @classmethod
    def load(cls, cursor: str | None) -> "FolderCursor":
        """Return the cursor of a JSON text; an empty one at the first evaluation."""
        return cls(**json.loads(cursor)) if cursor else cls()


def targets_to_run(
    versions: dict[str, str], requests: dict[str, LastRequest], busy: set[str], interrupted: set[str]
) -> list[str]:
    """Return the targets whose version differs from the last requested one and that have no unfinished run.

    Versions are compared, not events, so the next evaluation catches up on a missed evaluation or a change during a
    run.

    Args:
        versions: The version of each target.
        requests: The last request by target.
        busy: Targets with an unfinished run.
        interrupted: Targets whose last run was interrupted.
    """

    def is_due(name: str) -> bool:
        last = requests.get(name)
        if last is None or last.version != versions[name]:
            return True
        return name in interrupted and last.attempts < MOST_ATTEMPTS

    return sorted(name for name in versions if name not in busy and is_due(name))
