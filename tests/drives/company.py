"""Scenarios of two commands in one lake, and of sources that change during a run.

Belongs here: the scenarios. Does not: judging (`judge.py`).
"""

from getmore_assets.records import STAGE_NAMES
from tests.drives.command import Place
from tests.drives.drive import Drive, note
from tests.drives.judge import compare, contents, leftovers


def two_commands(drive: Drive) -> None:
    """Start the same task twice at once; then two tasks in one lake at once."""
    with drive.scenario("two commands, one task") as (result, place):
        first, second, result.when = place.start("first"), place.start("second"), "from the start"
        codes = first.end(), second.end()
        note(result, max((first, second), key=lambda command: command.seconds))
        result.must(codes == (0, 0), f"exit codes {codes}: {first.last_line} / {second.last_line}")
        result.must("waiting" in first.text + second.text, "neither said that it waits for the other")
        reused = sorted((first.reused, second.reused))
        result.must(reused == [0, len(STAGE_NAMES)], f"stages reused by the two: {reused}")
        compare(result, drive.undisturbed, contents(place))
        result.wrong += leftovers(place)
        drive.again(result, place)
    with drive.scenario("two tasks, one lake") as (result, place):
        other = place.another("other")
        first, second, result.when = place.start("first"), other.start("second"), "from the start"
        codes = first.end(), second.end()
        note(result, max((first, second), key=lambda command: command.seconds))
        result.must(codes == (0, 0), f"exit codes {codes}: {first.last_line} / {second.last_line}")
        expected = drive.other("other", _alone)
        for one, contents_expected in ((place, drive.undisturbed), (other, expected)):
            drive.again(result, one, contents_expected, apart=["embeddings"])


def _alone(place: Place) -> Place:
    other = place.another("other")
    return _whole(other, "run")


def _whole(place: Place, name: str) -> Place:
    command = place.run(name)
    if command.end():
        raise RuntimeError(f"an undisturbed run failed: {command.last_line} ({command.log})")
    return place


def target_changes(drive: Drive) -> None:
    """Append rows to the target's split train during a run; let the run end, and run again."""
    for stage, history in (("raw_corpus", _grown), ("base_model", _grew), ("warmed_model", _grew)):
        with drive.scenario(f"target grows, {stage}") as (result, place):
            command, result.when = place.start("grows"), stage
            command.wait_for(lambda c=command, s=stage: c.has_started(s), every=0.001)
            place.grow_target()
            note(result, command)
            result.must(result.code == 0, f"the run during which it grew ended with {result.code}")
            drive.again(result, place, drive.other(history.__name__, history))


def _grown(place: Place) -> Place:
    """Run with the larger target from the start."""
    place.grow_target()
    return _whole(place, "grown")


def _grew(place: Place) -> Place:
    """Run with the smaller target, then with the larger one."""
    _whole(place, "before")
    place.grow_target()
    return _whole(place, "grown")
