"""What a sensor has seen and asked for, and what it should ask for now.

Belongs here: the memory between two looks, and the comparison. Does not: looking (`defs/sensors.py`), or runs.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from getmore_assets.lake import Seen

MOST_ATTEMPTS = 2


@dataclass
class Asked:
    """The last thing asked for on behalf of a target.

    Attributes:
        version: Of what is watched.
        number: How many runs were asked for so far: a version that comes back is asked for again.
        attempts: How many of them for this version: a run that was cut off, as when a machine goes down, is asked for
            once more. One that failed by itself would fail again.
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
    """

    asked: dict[str, Asked] = field(default_factory=dict)
    seen: Seen = field(default_factory=dict)
    suspects: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)

    def dump(self) -> str:
        """As a cursor."""
        return json.dumps(self, default=lambda one: one.__dict__, sort_keys=True)

    @classmethod
    def load(cls, cursor: str | None) -> "Memory":
        """From a cursor; empty at the first look."""
        raw: dict[str, Any] = json.loads(cursor) if cursor else {}
        asked = {name: Asked(**one) for name, one in raw.pop("asked", {}).items()}
        seen = {path: (version, newest) for path, (version, newest) in raw.pop("seen", {}).items()}
        return cls(asked=asked, seen=seen, **raw)


def due(now: dict[str, str], asked: dict[str, Asked], busy: set[str], cut_off: set[str]) -> list[str]:
    """The targets to ask a run for: those whose version is another than was asked for, and that no run is working on.

    It compares levels, not edges: a look that was missed, or a change while a run was going, is made good by the next.

    Args:
        now: The version of each target.
        asked: What was asked for.
        busy: Targets that a run is working on.
        cut_off: Targets whose last run was.
    """

    def wanted(name: str) -> bool:
        last = asked.get(name)
        if last is None or last.version != now[name]:
            return True
        return name in cut_off and last.attempts < MOST_ATTEMPTS

    return sorted(name for name in now if name not in busy and wanted(name))
