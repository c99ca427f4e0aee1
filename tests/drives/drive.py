"""The steps of every scenario: a new lake, a fault, the command again, a judgement.

Belongs here: these steps, and the undisturbed runs that lakes are compared with. Does not: faults.
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
from tests.drives.judge import Contents, Result, compare, contents, leftovers

#: The command that an error must name if it can repair the lake.
REPAIR_COMMAND = "getmore repair"


class Stopped(Exception):
    """Raised to end a scenario; its result has the failures."""


@dataclass
class Drive:
    """One drive.

    Attributes:
        home: The folder of the lakes.
        sources: The sources that are copied for each lake.
        seed: The seed of all random numbers.
        undisturbed: The contents of the lake of an undisturbed run, if the drive began with such a run.
        seconds: The duration of that run.
        places: The class of a scenario's sources and task files.
        results: The results so far.
    """

    home: Path
    sources: Path
    seed: int
    undisturbed: Contents | None = None
    seconds: float = 0.0
    places: type[Place] = Place
    results: list[Result] = field(default_factory=list)
    _others: dict[str, Contents] = field(default_factory=dict)

    @classmethod
    def begin(cls, home: Path, sources: Path, seed: int) -> "Drive":
        """Run the task once, undisturbed."""
        place = Place.new(home / "undisturbed", sources)
        command = place.run("run")
        if command.end():
            raise SystemExit(f"the undisturbed run failed: {command.last_line} ({command.log})")
        return cls(home, sources, seed, contents(place), command.seconds)

    def random(self, name: str) -> random.Random:
        """Return a generator seeded by the seed and a scenario's name, so that the scenario can be repeated alone."""
        return random.Random(f"{self.seed} {name}")

    def other(self, name: str, make: Callable[[Place], Place]) -> Contents:
        """Return the contents that another undisturbed sequence of runs leaves; it is run once."""
        if name not in self._others:
            self._others[name] = contents(make(Place.new(self.home / f"undisturbed-{name}", self.sources)))
        return self._others[name]

    @contextmanager
    def scenario(self, name: str, at: Place | None = None) -> Iterator[tuple[Result, Place]]:
        """Yield a result to fill, and a place (by default, a new one). The lake is deleted unless something failed."""
        result, began = Result(name), time.monotonic()
        own = self.home / name.replace(" ", "-").replace(",", "")
        place = at or self.places.new(own, self.sources)
        try:
            yield result, place
        except Stopped:
            pass
        except Exception as error:  # the drive continues with the next scenario
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
        expected: Contents | None = None,
        mlflow: Path | None = None,
        apart: Collection[str] = (),
        **environment: str,
    ) -> None:
        """Run the same command again, and judge the contents of the lake."""
        rerun = place.run("again", **environment)
        if rerun.end():
            result.wrong.append(f"the rerun ended with {rerun.end()}: {rerun.last_line[:300]}")
            raise Stopped
        result.reused = rerun.reused
        expected = expected or self.undisturbed
        assert expected
        compare(result, expected, contents(place), apart)
        result.wrong += leftovers(place, mlflow)


def repair(result: Result, place: Place) -> None:
    """Repair a lake with `getmore repair`."""
    command = place.run("repair", "repair")
    result.notes.append(f"repaired in {command.seconds:.0f} s")
    if code := command.end():
        result.wrong.append(f"{REPAIR_COMMAND} ended with {code}: {(command.error or command.last_line)[:300]}")
        raise Stopped


def note(result: Result, command: Command) -> None:
    """Note the exit code and last line of the disturbed command, and its stage unless that is noted already."""
    result.code, result.said, result.seconds = command.end(), command.last_line, command.seconds
    result.when = result.when or command.stage


def must_fail(result: Result, command: Command, naming: Collection[str] = (), code: int | None = None) -> None:
    """Require that the disturbed command fails with an error that has one of the words `naming` in it."""
    note(result, command)
    result.must(result.code != -9, "the command hung")
    result.must(result.code != 0, "the command did not fail")
    result.must(code is None or result.code == code, f"exit code {result.code}, not {code}")
    error = command.error
    result.said = error or result.said
    result.must(bool(error), f"it reported no error, its log ends with: {command.last_line[:200]}")
    named = not error or not naming or any(word in error for word in naming)
    result.must(named, f"none of {', '.join(naming)} in its error")
