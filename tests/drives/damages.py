"""Damages at rest: what `getmore doctor` says of each, what a run does, and what `getmore repair` leaves.

    python -m tests.drives.damages [--only vectors,fit-cut] [--list] [--written-by COMMIT] [--out FILE.json]

A lake of two targets is made once, and spoiled anew in each way. The doctor must find the damage. A run must leave
what an undisturbed one leaves, or refuse and name `getmore repair`, after which a run leaves it. In the end the doctor
finds nothing, everything can be read, nothing stands twice, and the other target is as it was. With `--written-by` the
lake is made by an earlier commit, whose package is taken from git. Exit code 1 where anything did not hold; the lakes
of such damages are kept. About fifteen minutes on one core.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import getmore_assets
from getmore_assets.encoders import encoder_fingerprint, store
from getmore_assets.records import STAGE_NAMES
from getmore_assets.task_files import load_task
from tests.drives.command import REPO, Command
from tests.drives.drive import MEND, Drive, Stopped, repaired
from tests.drives.judge import UP_TO_SUBSET, Result, doubled, holds, left_behind, unreadable, vectors_of_task
from tests.drives.outcomes import end, keep
from tests.drives.small import Small, small_sources
from tests.drives.spoils import DAMAGES, Damage
from tests.drives.undisturbed import Left, unlike

_OK = "ok"  # how the doctor calls what is well
_OF_ENCODERS = ("fit-", "vectors-")  # what the names of damages to fits and vectors begin with


class Ward:
    """The lake that is spoiled again and again: it lies at one path, which its records name.

    Args:
        drive: Where it lies, and from what it is made.
        code: The checkout whose package makes it.
    """

    def __init__(self, drive: Drive, code: Path) -> None:
        self.place, self._kept = Small.new(drive.home / "ward", drive.sources), drive.home / "whole"
        self.other, self.drive = self.place.another("t2"), drive
        _ended_well(self.place.run("made", "run", code=code))
        _ended_well(self.other.run("made", "select", code=code))
        shutil.copytree(self.place.home, self._kept)
        fit = store.fitted_file(self.place.lake, encoder_fingerprint(load_task(str(self.place.file))))
        self.encodes_anew = not fit.exists()  # today's encoder reads neither the fits nor the vectors of that commit
        self._known: dict[tuple[str, str, bool], list[Left]] = {}
        self.usual = found_by_doctor(self.place)

    def restore(self) -> Small:
        """The lake as it was before any damage."""
        shutil.rmtree(self.place.home)
        shutil.copytree(self._kept, self.place.home)
        return self.place

    def expected(self, task: str, verb: str, grown: bool) -> list[Left]:
        """What an undisturbed run of today's code leaves in it; where the pool grew, also one from nothing."""
        if (task, verb, grown) not in self._known:
            place = Small(self.restore().home, task)
            if grown:
                self.place.grow_pool()
            left = [_left(place, verb)]
            if grown:
                fresh = Small.new(self.drive.home / f"grown-{task}", self.drive.sources)
                fresh.grow_pool()
                left.append(_left(fresh.another(task), verb))
            self._known[task, verb, grown] = left
        return self._known[task, verb, grown]


def _ended_well(command: Command) -> None:
    if command.end():
        raise SystemExit(f"an undisturbed run failed: {command.error or command.said} ({command.log})")


def _stages(verb: str) -> tuple[str, ...]:
    return STAGE_NAMES if verb == "run" else UP_TO_SUBSET


def _left(place: Small, verb: str) -> Left:
    _ended_well(place.run("undisturbed", verb))
    return holds(place, _stages(verb)), vectors_of_task(place)


def found_by_doctor(place: Small) -> set[str]:
    """What the doctor does not find well; what it says where it cannot look."""
    doctor = place.run("doctor", "doctor", "--deep")
    if doctor.end() not in (0, 1) or "found" not in doctor.answer:
        return {f"the doctor ended with {doctor.end()}: {(doctor.error or doctor.said)[:200]}"}
    return {f"{one['about']}: {one['found']}" for one in doctor.answer["found"] if one["state"] != _OK}


def damaged(ward: Ward, result: Result, damage: Damage) -> None:
    """Spoil the lake, look at it, run, repair, run again, judge."""
    expected = ward.expected("t1", damage.verb, damage.grown)
    of_other = ward.expected("t2", "select", damage.grown)
    place, other = ward.restore(), ward.other
    result.when = str(damage.spoil(place).relative_to(place.home))
    found = found_by_doctor(place) - ward.usual
    result.notes += sorted(found)[:1]
    result.must(not damage.told or any("the doctor ended" not in one for one in found), "the doctor did not find it")
    if damage.grown:
        place.grow_pool()
    run = place.run("spoiled", damage.verb, *damage.changes)
    result.code, result.said, result.seconds = run.end(), run.error or run.said, run.seconds
    if run.end():
        result.must(MEND in result.said, f"refused, and does not name `{MEND}`: {result.said[:200]}")
    else:
        result.notes.append(f"the run ended well, {run.reused} stages reused")
        result.must(not damage.changes, "a run that reads what is damaged ended well")
        _judge(result, place, damage.verb, expected, "after the run, ")
    if run.end() or found_by_doctor(place) - ward.usual:
        repaired(result, place)
    _again(result, place, damage.verb)
    _judge(result, place, damage.verb, expected)
    _again(result, other, "select")
    _judge(result, other, "select", of_other, "the other target: ")
    result.wrong += [f"at the end the doctor finds {one}" for one in sorted(found_by_doctor(place) - ward.usual)[:2]]
    result.wrong += [*unreadable(place), *doubled(place), *left_behind(place)]


def _again(result: Result, place: Small, verb: str) -> None:
    """Run a target, repaired first where that is asked for."""
    run = place.run("again", verb)
    if run.end() and MEND in run.error:
        repaired(result, place)
        run = place.run("repaired", verb)
    result.reused = run.reused
    if run.end():
        result.wrong.append(f"{place.task} again ended with {run.end()}: {(run.error or run.said)[:300]}")
        raise Stopped


def _judge(result: Result, place: Small, verb: str, expected: list[Left], where: str = "") -> None:
    result.wrong += [f"{where}{wrong}" for wrong in unlike(place, expected, _stages(verb))]


def checkout(home: Path, commit: str) -> Path:
    """The files of an earlier commit."""
    folder = home / "earlier"
    folder.mkdir()
    archive = subprocess.run(["git", "-C", str(REPO), "archive", commit], capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    tried = [sys.executable, "-c", "import getmore_assets; print(getmore_assets.__file__)"]
    runs = subprocess.run(tried, capture_output=True, text=True, check=True, cwd=folder).stdout.strip()
    assert Path(runs).is_relative_to(folder), f"{runs} would run, not {commit}"
    return folder


def main() -> int:
    """Drive, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="damages, or what their names begin with, separated by commas")
    parser.add_argument("--list", action="store_true", help="print the damages and end")
    parser.add_argument(
        "--written-by", metavar="COMMIT", help="the commit whose package makes the lake; today's without"
    )
    parser.add_argument("--out", type=Path, help="write the results as JSON, beside those of other damages in the file")
    asked = parser.parse_args()
    chosen = [name for name in DAMAGES if name.startswith(tuple(asked.only.split(",")))]
    if asked.list:
        print("\n".join(chosen))
        return 0
    assert Path(getmore_assets.__file__).is_relative_to(REPO), f"{getmore_assets.__file__} is not this checkout's"
    home, began = Path(tempfile.mkdtemp(prefix="getmore-damages-")), time.monotonic()
    drive = Drive(home, small_sources(home), 0, places=Small)
    ward = Ward(drive, checkout(home, asked.written_by) if asked.written_by else REPO)
    title = f"damages to a lake of {asked.written_by}" if asked.written_by else "damages"
    print(f"in {home}; the doctor of the undamaged lake: {sorted(ward.usual)}", flush=True)
    for name in chosen:
        with drive.scenario(name, ward.place) as (result, _):
            if ward.encodes_anew and name.startswith(_OF_ENCODERS):
                result.skipped = "today's encoder reads neither fits nor vectors of that commit"
            else:
                damaged(ward, result, DAMAGES[name])
        if asked.out:
            keep(asked.out, title, drive.results[-1:], home)
    return end(title, drive.results, time.monotonic() - began, home)


if __name__ == "__main__":
    sys.exit(main())
