"""What each station of a task will take, with how each figure was got.

Belongs here: what is told of a station, and putting the stations together. Does not: the arithmetic
(`gathering.py` up to the subset, `trainings.py` from there), measuring, or counting (`work.py`).
"""

from dataclasses import dataclass, field
from typing import Any

from getmore_assets.planning.sampling import Look
from getmore_assets.records import Record


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        look: At the sources.
        small: What the stations of the small miniature left, by station.
        large: The same of the large one, which ends at the subset.
        disk: MiB of what each of them left, by (miniature, station).
        rates: Of `workers/measure.py`.
    """

    look: Look
    small: dict[str, Record]
    large: dict[str, Record]
    disk: dict[tuple[str, str], float]
    rates: dict[str, Any]


@dataclass
class Told:
    """What is told of a station, None where it cannot be; `how` says where the figures come from.

    Attributes:
        rows: It makes or trains on.
        tokens: In them: of the model where one is trained, else words and punctuation marks.
        seconds: As its record will say.
        peak_rss_mb: Of all processes together, in MiB.
        disk_mb: That stay in the lake, in MiB.
        how: In words.
    """

    rows: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    peak_rss_mb: float | None = None
    disk_mb: float | None = None
    how: str = ""


@dataclass(frozen=True)
class Estimate:
    """One station: whether what is there serves, why, what it will take, and for how long a GPU is held."""

    station: str
    reused: bool
    why: str
    told: Told = field(default_factory=Told)
    gpu_hours: float | None = None

    def as_json(self) -> dict[str, Any]:
        """All of it, flat."""
        told = {name: _rounded(value) for name, value in self.told.__dict__.items()}
        return {"station": self.station, "reused": self.reused, "why": self.why, **told, "gpu_hours": self.gpu_hours}


@dataclass(frozen=True)
class Plan:
    """All stations, in the order of the line, what is left to say, and the counts of each source.

    `sources` is empty where they were not read and records of an earlier version do not hold the counts.
    """

    task: str
    stations: list[Estimate]
    notes: list[str]
    seconds_spent: float
    sources: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """All of it, and what the stations come to: seconds together, the highest peak, MiB and GPU hours together."""
        made = [one for one in self.stations if not one.reused]
        return {
            "task": self.task,
            "seconds": together([one.told.seconds for one in made]),
            "peak_rss_mb": max((one.told.peak_rss_mb or 0 for one in made), default=0),
            "disk_mb": together([one.told.disk_mb for one in made]),
            "gpu_hours": together([one.gpu_hours for one in made]),
            "stations": [one.as_json() for one in self.stations],
            "sources": self.sources,
            "notes": self.notes,
            "planned_in_seconds": round(self.seconds_spent, 1),
        }


def together(values: list[float | None]) -> float | None:
    """The sum, or None where one is not known."""
    known = [value for value in values if value is not None]
    return round(sum(known), 4) if len(known) == len(values) else None


def _rounded(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value
