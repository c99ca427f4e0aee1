"""Damage files of a lake, and test `getmore doctor`, a run, and `getmore repair`.

    python -m tests.drives.damages [--only vectors,fit-cut] [--list] [--written-by COMMIT] [--out FILE.json]

A lake of two targets is made once, and copied for each damage. The doctor must find the damage. A run must leave the
same lake as an undisturbed run, or fail and name `getmore repair`; then it must do so after the repair. At the end the
doctor finds nothing, everything can be read, no id occurs twice, and the other target is unchanged. With
`--written-by`, an earlier commit, taken from git, makes the lake. The exit code is 1 if a damage failed; its lake is
kept. The drive takes about fifteen minutes on one core.
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
from getmore_assets.task_parsing import load_task
from tests.drives.command import REPO, Command
from tests.drives.drive import REPAIR_COMMAND, Drive, Stopped, repair
from tests.drives.judge import UP_TO_SUBSET, Result, contents, duplicates, leftovers, unreadable, vectors_of_task
from tests.drives.outcomes import end, keep
from tests.drives.small import Small, small_sources
from tests.drives.spoils import DAMAGES, Damage
from tests.drives.undisturbed import Expected, differences

_OK = "ok"  # the doctor's state of an undamaged part
_OF_ENCODERS = ("fit-", "vectors-")  # prefixes of damages to fits and vectors


class Ward:
    """The lake that is damaged and restored, at one path.

    Args:
        drive: The drive, with the folder of the lake and the sources.
        code: The checkout whose package makes the lake.
    """

    def __init__(self, drive: Drive, code: Path) -> None:
        self.place, self._kept = Small.new(drive.home / "ward", drive.sources), drive.home / "whole"
        self.other, self.drive = self.place.another("t2"), drive
        _ended_well(self.place.run("made", "run", code=code))
        _ended_well(self.other.run("made", "select", code=code))
        shutil.copytree(self.place.home, self._kept)
        fit = store.fitted_file(self.place.lake, encoder_fingerprint(load_task(str(self.place.file))))
        self.encodes_anew = not fit.exists()  # today's encoder reads neither the fits nor the vectors of that commit
        self._known: dict[tuple[str, str, bool], list[Expected]] = {}
        self.usual = found_by_doctor(self.place)

    def restore(self) -> Small:
        """Restore the undamaged lake."""
        shutil.rmtree(self.place.home)
        shutil.copytree(self._kept, self.place.home)
        return self.place

    def expected(self, task: str, verb: str, grown: bool) -> list[Expected]:
        """Return what an undisturbed run of this code leaves; if the pool grew, also a run on a new lake."""
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
        raise SystemExit(f"an undisturbed run failed: {command.error or command.last_line} ({command.log})")


def _stages(verb: str) -> tuple[str, ...]:
    return STAGE_NAMES if verb == "run" else UP_TO_SUBSET


def _left(place: Small, verb: str) -> Expected:
    _ended_well(place.run("undisturbed", verb))
    return contents(place, _stages(verb)), vectors_of_task(place)


def found_by_doctor(place: Small) -> set[str]:
    """Return what the doctor finds wrong, or the error that it ended with."""
    doctor = place.run("doctor", "doctor", "--deep")
    if doctor.end() not in (0, 1) or "found" not in doctor.answer:
        return {f"the doctor ended with {doctor.end()}: {(doctor.error or doctor.last_line)[:200]}"}
    return {f"{one['about']}: {one['found']}" for one in doctor.answer["found"] if one["state"] != _OK}


def damaged(ward: Ward, result: Result, damage: Damage) -> None:
    """Damage the lake, call the doctor, run, repair, run again, and judge."""
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
    result.code, result.said, result.seconds = run.end(), run.error or run.last_line, run.seconds
    if run.end():
        result.must(
            REPAIR_COMMAND in result.said, f"refused, and does not name `{REPAIR_COMMAND}`: {result.said[:200]}"
        )
    else:
        result.notes.append(f"the run ended well, {run.reused} stages reused")
        result.must(not damage.changes, "a run that reads what is damaged ended well")
        _judge(result, place, damage.verb, expected, "after the run, ")
    if run.end() or found_by_doctor(place) - ward.usual:
        repair(result, place)
    _again(result, place, damage.verb)
    _judge(result, place, damage.verb, expected)
    _again(result, other, "select")
    _judge(result, other, "select", of_other, "the other target: ")
    result.wrong += [f"at the end the doctor finds {one}" for one in sorted(found_by_doctor(place) - ward.usual)[:2]]
    result.wrong += [*unreadable(place), *duplicates(place), *leftovers(place)]


def _again(result: Result, place: Small, verb: str) -> None:
    """Run a target; repair the lake first if the error says so."""
    run = place.run("again", verb)
    if run.end() and REPAIR_COMMAND in run.error:
        repair(result, place)
        run = place.run("repaired", verb)
    result.reused = run.reused
    if run.end():
        result.wrong.append(f"{place.task} again ended with {run.end()}: {(run.error or run.last_line)[:300]}")
        raise Stopped


def _judge(result: Result, place: Small, verb: str, expected: list[Expected], where: str = "") -> None:
    result.wrong += [f"{where}{wrong}" for wrong in differences(place, expected, _stages(verb))]


def checkout(home: Path, commit: str) -> Path:
    """Extract the files of an earlier commit."""
    folder = home / "earlier"
    folder.mkdir()
    archive = subprocess.run(["git", "-C", str(REPO), "archive", commit], capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    command = [sys.executable, "-c", "import getmore_assets; print(getmore_assets.__file__)"]
    imported = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout.strip()
    assert Path(imported).is_relative_to(folder), f"{imported} would be imported, not {commit}"
    return folder


def main() -> int:
    """Run the drive, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="damages or prefixes of their names, separated by commas")
    parser.add_argument("--list", action="store_true", help="print the damages and end")
    parser.add_argument(
        "--written-by", metavar="COMMIT", help="the commit whose package makes the lake; by default this checkout"
    )
    parser.add_argument("--out", type=Path, help="a JSON file to which the results are added")
    args = parser.parse_args()
    chosen = [name for name in DAMAGES if name.startswith(tuple(args.only.split(",")))]
    if args.list:
        print("\n".join(chosen))
        return 0
    assert Path(getmore_assets.__file__).is_relative_to(REPO), f"{getmore_assets.__file__} is not this checkout's"
    home, began = Path(tempfile.mkdtemp(prefix="getmore-damages-")), time.monotonic()
    drive = Drive(home, small_sources(home), 0, places=Small)
    ward = Ward(drive, checkout(home, args.written_by) if args.written_by else REPO)
    title = f"damages to a lake of {args.written_by}" if args.written_by else "damages"
    print(f"in {home}; the doctor of the undamaged lake: {sorted(ward.usual)}", flush=True)
    for name in chosen:
        with drive.scenario(name, ward.place) as (result, _):
            if ward.encodes_anew and name.startswith(_OF_ENCODERS):
                result.skipped = "today's encoder reads neither fits nor vectors of that commit"
            else:
                damaged(ward, result, DAMAGES[name])
        if args.out:
            keep(args.out, title, drive.results[-1:], home)
    return end(title, drive.results, time.monotonic() - began, home)


if __name__ == "__main__":
    sys.exit(main())
