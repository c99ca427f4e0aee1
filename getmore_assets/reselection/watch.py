"""What a sensor has seen and asked for, and what it should ask for now.

Belongs here: the memory between two looks, and the comparison. Does not: looking (`defs/sensors.py`), or runs.
"""

import json
from dataclasses import dataclass, field, fields

from getmore_assets.delta_versions import Seen
from getmore_assets.json_models import JsonObject

MOST_ATTEMPTS = 3  # runs for one version: the first, and two more where it was interrupted


@dataclass
class LastRequest:
    """The last thing asked for on behalf of a target.

    Attributes:
        version: Of what is watched.
        number: How many runs were asked for so far: a version that comes back is asked for again.
        attempts: How many of them for this version: a run that was interrupted, as when a machine goes down, is asked
            for again, until there were `MOST_ATTEMPTS`. One that failed by itself would fail again.
        approved: The selection whose training was asked for.
    """

    version: str
    number: int = 0
    attempts: int = 1
    approved: str | None = None


@dataclass
class Memory:
    """What is kept between two looks.

    Attributes:
        asked: By target.
        seen: Of Delta tables.
        suspects: Runs whose process could not be found at the last look.
        failing: Targets that stood failed at the last look.
        interrupted: Targets whose last run was interrupted, at the last look.
        looked_at: When the last look was, in seconds since 1970.
    """

    asked: dict[str, LastRequest] = field(default_factory=dict)
    seen: Seen = field(default_factory=dict)
    suspects: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    looked_at: float | None = None

    def dump(self) -> str:
        """As a cursor."""
        return json.dumps(self, default=lambda one: one.__dict__, sort_keys=True)

    @classmethod
    def load(cls, cursor: str | None) -> "Memory":
        """From a cursor; empty at the first look."""
        raw: JsonObject = json.loads(cursor) if cursor else {}
        asked = {name: LastRequest(**one) for name, one in raw.pop("asked", {}).items()}
        seen = {path: (version, newest) for path, (version, newest) in raw.pop("seen", {}).items()}
        known = {one.name for one in fields(cls)}
        return cls(asked=asked, seen=seen, **{name: value for name, value in raw.items() if name in known})


@dataclass
class FolderMemory:
    """What is kept between two looks at the folder of task files.

    Attributes:
        known: Names that a file had at some look.
        missing: Those of them that no file had at the last look.
    """

    known: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def look(self, names: set[str], complete: bool) -> set[str]:
        """Return the names that no file has any more, at this look and the one before.

        Args:
            names: Those that files have now.
            complete: Whether every entry of the folder could be read: else a name may be in one that could not.
        """
        missing = set(self.known) - names
        gone = missing & set(self.missing) if complete else set[str]()
        self.known, self.missing = sorted((set(self.known) | names) - gone), sorted(missing - gone)
        return gone

    def dump(self) -> str:
        """As a cursor."""
        return json.dumps(self.__dict__)

    @classmethod
    def load(cls, cursor: str | None) -> "FolderMemory":
        """From a cursor; empty at the first look."""
        return cls(**json.loads(cursor)) if cursor else cls()


def due(now: dict[str, str], asked: dict[str, LastRequest], busy: set[str], interrupted: set[str]) -> list[str]:
    """The targets to ask a run for: those whose version is another than was asked for, and that no run is working on.

    It compares levels, not edges: a look that was missed, or a change while a run was going, is made good by the next.

    Args:
        now: The version of each target.
        asked: What was asked for.
        busy: Targets that a run is working on.
        interrupted: Targets whose last run was interrupted.
    """

    def wanted(name: str) -> bool:
        last = asked.get(name)
        if last is None or last.version != now[name]:
            return True
        return name in interrupted and last.attempts < MOST_ATTEMPTS

    return sorted(name for name in now if name not in busy and wanted(name))
