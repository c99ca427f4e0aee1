"""What every scenario of a drive does: a fresh lake, a fault, the command again, the judgement.

Belongs here: the frame around a fault, and the undisturbed runs that the others are held against. Does not: faults.
"""

import random
import shutil
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.drives.command import Command, Place
from tests.drives.judge import Holds, Result, compare, holds, left_behind

#: What a refusal must name where a lake is damaged and `getmore repair` mends it.
MEND = "getmore repair"


class Stopped(Exception):
    """A scenario cannot go on; what did not hold is in its result."""


@dataclass
class Drive:
    """One drive.

    Attributes:
        home: Where the lakes lie.
        sources: That are copied to each.
        seed: Of all that is drawn.
        undisturbed: What the lake of an undisturbed run holds, where the drive began with one.
        seconds: That it took.
        places: The sources and task files of a scenario.
        results: So far.
    """

    home: Path
    sources: Path
    seed: int
    undisturbed: Holds | None = None
    seconds: float = 0.0
    places: type[Place] = Place
    results: list[Result] = field(default_factory=list)
    _others: dict[str, Holds] = field(default_factory=dict)

    @classmethod
    def begin(cls, home: Path, sources: Path, seed: int) -> "Drive":
        """Run the line once, undisturbed."""
        place = Place.new(home / "undisturbed", sources)
        command = place.run("run")
        if command.end():
            raise SystemExit(f"the undisturbed run failed: {command.said} ({command.log})")
        return cls(home, sources, seed, holds(place), command.seconds)

    def random(self, name: str) -> random.Random:
        """Draws that depend on the seed and a scenario's name, so that one can be repeated alone."""
        return random.Random(f"{self.seed} {name}")

    def other(self, name: str, make: Callable[[Place], Place]) -> Holds:
        """What another undisturbed history leaves; made once."""
        if name not in self._others:
            self._others[name] = holds(make(Place.new(self.home / f"undisturbed-{name}", self.sources)))
        return self._others[name]

    @contextmanager
    def scenario(self, name: str, at: Place | None = None) -> Iterator[tuple[Result, Place]]:
        """A place and a result to fill; a fresh place where none is given. A lake in which all held is deleted."""
        result, began = Result(name), time.monotonic()
        own = self.home / name.replace(" ", "-").replace(",", "")
        place = at or self.places.new(own, self.sources)
        try:
            yield result, place
        except Stopped:
            pass
        except Exception as error:  # the drive goes on after whatever goes wrong
            result.wrong.append(f"{type(error).__name__}: {error}"[:500])
            traceback.print_exc()
        result.seconds = result.seconds or round(time.monotonic() - began, 1)
        result.lake = str(own) if result.wrong else ""
        if at and result.wrong:
            shutil.copytree(at.home, own)
        elif not at and not result.wrong:
            shutil.rmtree(place.home, ignore_errors=True)
        self.results.append(result)
        print(f"[{time.monotonic() - began:.0f} s] {name} ({result.when}): {result.outcome}", flush=True)
        print(f"    code {result.code} after {result.seconds} s: {result.said[:400]}", flush=True)

    def again(
        self,
        result: Result,
        place: Place,
        expected: Holds | None = None,
        mlflow: Path | None = None,
        apart: Collection[str] = (),
        **environment: str,
    ) -> None:
        """Run the same command again, and judge what is in the lake then."""
        rerun = place.run("again", **environment)
        if rerun.end():
            result.wrong.append(f"the rerun ended with {rerun.end()}: {rerun.said[:300]}")
            raise Stopped
        result.reused = rerun.reused
        wanted = expected or self.undisturbed
        assert wanted
        compare(result, wanted, holds(place), apart)
        result.wrong += left_behind(place, mlflow)


def repaired(result: Result, place: Place) -> None:
    """Mend a lake with the command that a refusal named."""
    mend = place.run("repair", "repair")
    result.notes.append(f"repaired in {mend.seconds:.0f} s")
    if mend.end():
        result.wrong.append(f"{MEND} ended with {mend.end()}: {(mend.error or mend.said)[:300]}")
        raise Stopped


def note(result: Result, command: Command) -> None:
    """What the disturbed command said, and when it was disturbed where that is not known yet."""
    result.code, result.said, result.seconds = command.end(), command.said, command.seconds
    result.when = result.when or command.stage


def must_fail(result: Result, command: Command, naming: Collection[str] = (), code: int | None = None) -> None:
    """Hold the disturbed command to failing, and to an error of its own words that has one of some words in it."""
    note(result, command)
    result.must(result.code != -9, "the command hung")
    result.must(result.code != 0, "the command did not fail")
    result.must(code is None or result.code == code, f"exit code {result.code}, not {code}")
    said = command.error
    result.said = said or result.said
    result.must(bool(said), f"it said no error of its own, its log ends: {command.said[:200]}")
    named = not said or not naming or any(word in said for word in naming)
    result.must(named, f"none of {', '.join(naming)} in its error")
