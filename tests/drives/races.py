"""Race two to eight commands, Dagster jobs and backfills on one lake, and compare the lake with undisturbed runs.

    python -m tests.drives.races [--only pool,hosts-killed] [--list] [--seed 0] [--out FILE.json]

A race must leave the selected ids, the rows and the vectors of undisturbed runs, without duplicates and leftovers; or
fail with an error that names `getmore repair`, and leave the same after the repair. The exit code is 1 if a race
failed; its lake is kept. All races take about fifteen minutes on one core. Races of hosts need the right to create
namespaces, and are skipped without it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

import getmore_assets
from getmore_assets.errors import REPAIR
from tests.drives.command import LONGEST, REPO, Command, MissedError
from tests.drives.drive import REPAIR_COMMAND, Drive, Stopped, repair
from tests.drives.homes import Home, host, no_hosts
from tests.drives.judge import Result, duplicates, leftovers
from tests.drives.outcomes import end, keep
from tests.drives.small import TARGETS, Small, small_sources
from tests.drives.undisturbed import References, differences

_LET_GO = 6.0  # seconds that the other command runs while a command is paused
Race = Callable[[References, Result, Small], None]


def pool_two(known: References, result: Result, place: Small) -> None:
    """Start two targets of one new pool at once."""
    _together(known, result, [place, place.another("t2")])


def pool_eight(known: References, result: Result, place: Small) -> None:
    """Start eight targets of one new pool at once."""
    _together(known, result, [place, *(place.another(name) for name in TARGETS[1:8])])


def pool_paused_in_triage(known: References, result: Result, place: Small) -> None:
    """Pause a command after it read which rows have vectors, before it adds its own; let another command continue."""
    places, paused = [place, place.another("t2")], _paused_at_the_fit(result, place)
    other = places[1].start("race", "select")
    _run_past(paused, other, "domain_triage")
    _end(result, [paused, other])
    settle(known, result, places)


def pool_paused_in_embeddings(known: References, result: Result, place: Small) -> None:
    """Pause a command during the stage `embeddings`; let another command reach domain triage, then `embeddings`."""
    places, paused = [place, place.another("t2")], place.start("race", "select")
    paused.wait_for(lambda: paused.has_started("embeddings") and paused.workers())
    time.sleep(known.drive.random(result.fault).uniform(0.2, 1.2))
    paused.pause()
    other = places[1].start("race", "select")
    _run_past(paused, other, "domain_triage")
    _end(result, [paused, other])
    settle(known, result, places)


def pool_killed(known: References, result: Result, place: Small) -> None:
    """Kill one of three targets after it read which rows have vectors, before it adds its own."""
    places, killed = [place, place.another("t2"), place.another("t3")], _paused_at_the_fit(result, place)
    others = [one.start("race", "select") for one in places[1:]]
    others[0].wait_for(lambda: others[0].has_started("domain_triage"))
    killed.kill()
    _end(result, others)
    settle(known, result, places, killed=True)


def target_two(known: References, result: Result, place: Small) -> None:
    """Start two commands on one target at once."""
    _end(result, [place.start(name, "select") for name in ("race", "other")])
    settle(known, result, [place])


def target_budgets(known: References, result: Result, place: Small) -> None:
    """Start three commands on one target, two of them with other budgets."""
    budgets = [f"selection.budget.rows={rows}" for rows in (25, 30)]
    changed = [place.start(f"other{at}", "select", budget) for at, budget in enumerate(budgets)]
    _end(result, [place.start("race", "select"), *changed])
    settle(known, result, [place])


def target_command_and_job(known: References, result: Result, place: Small) -> None:
    """Start the command and a Dagster job on one target: they share figures, exports and a work folder."""
    _end(result, [place.start("race", "select"), Home(place, "home").start(place, "job")])
    settle(known, result, [place])


def target_killed(known: References, result: Result, place: Small) -> None:
    """Start two commands and a job on one target; kill the one that solves the transport problem."""
    racers = [place.start("race", "select"), place.start("other", "select"), Home(place, "home").start(place, "job")]
    result.when = "ot_potentials"
    while not (solving := [one for one in racers if one.has_started("ot_potentials") and one.workers()]):
        if not any(one.running for one in racers):
            raise MissedError("no worker of ot_potentials was seen")
        time.sleep(0.01)
    solving[0].kill()
    _end(result, [one for one in racers if one is not solving[0]])
    settle(known, result, [place], killed=True)


def growing_while_encoded(known: References, result: Result, place: Small) -> None:
    """Let the pool grow while two targets encode it."""
    places = [place, place.another("t2")]
    racers = [one.start("race", "select") for one in places]
    racers[0].wait_for(lambda: racers[0].has_started("domain_triage"))
    place.grow_pool()
    _end(result, racers)
    settle(known, result, places, grown=True)


def growing_while_paused(known: References, result: Result, place: Small) -> None:
    """Pause a command when its encoder is fitted; let the pool grow and another target encode the larger pool."""
    places, paused = [place, place.another("t2")], _paused_at_the_fit(result, place)
    place.grow_pool()
    other = places[1].start("race", "select")
    _run_past(paused, other, "domain_triage")
    _end(result, [paused, other])
    settle(known, result, places, grown=True)


def growing_killed(known: References, result: Result, place: Small) -> None:
    """Kill a command when its encoder is fitted; let the pool grow before the other targets reach `embeddings`."""
    places, killed = [place, place.another("t2"), place.another("t3")], _paused_at_the_fit(result, place)
    other = places[1].start("race", "select")
    other.wait_for(lambda: other.has_started("domain_triage"))
    place.grow_pool()
    killed.kill()
    third = places[2].start("race", "select")
    _end(result, [other, third])
    settle(known, result, places, grown=True, killed=True)


def homes_other_targets(known: References, result: Result, place: Small) -> None:
    """Start four targets in two Dagster homes, two jobs in each."""
    places = [place, *(place.another(name) for name in TARGETS[1:4])]
    homes = [Home(place, "one"), Home(place, "two")]
    _end(result, [homes[at % 2].start(one, "job") for at, one in enumerate(places)])
    settle(known, result, places)


def homes_same_target(known: References, result: Result, place: Small) -> None:
    """Start a job of the same target in each of two Dagster homes."""
    _end(result, [Home(place, name).start(place, name) for name in ("one", "two")])
    settle(known, result, [place])


def homes_killed(known: References, result: Result, place: Small) -> None:
    """Start three targets in two Dagster homes; kill the job of the first home during the stage `embeddings`."""
    places = [place, place.another("t2"), place.another("t3")]
    one, two = Home(place, "one"), Home(place, "two")
    racers = [one.start(places[0], "job"), *(two.start(other, "job") for other in places[1:])]
    racers[0].wait_for(lambda: racers[0].has_started("embeddings") and racers[0].workers())
    result.when = "embeddings"
    racers[0].kill()
    _end(result, racers[1:])
    settle(known, result, places, killed=True)


def hosts_other_targets(known: References, result: Result, place: Small) -> None:
    """Run on two hosts that do not share locks; pause one before it adds its vectors, and let the other continue."""
    _needs_hosts(result)
    places, locks = [place, place.another("t2")], place.lake.folder("locks")
    homes = [Home(place, one.task) for one in places]
    paused = homes[0].start(place, "race", before=host("host-one", locks))
    _pause_at_the_fit(result, place, paused)
    other = homes[1].start(places[1], "race", before=host("host-two", locks))
    _run_past(paused, other, "embeddings")
    _end(result, [paused, other])
    settle(known, result, places)


def hosts_same_target(known: References, result: Result, place: Small) -> None:
    """Run the same target on two hosts, each with its own Dagster home."""
    _needs_hosts(result)
    _end(result, [Home(place, name).start(place, name, before=host(f"host-{name}")) for name in ("one", "two")])
    settle(known, result, [place])


def hosts_killed(known: References, result: Result, place: Small) -> None:
    """Run three targets on three hosts that do not share locks; kill one host while it encodes."""
    _needs_hosts(result)
    places, locks = [place, place.another("t2"), place.another("t3")], place.lake.folder("locks")
    racers = [Home(place, one.task).start(one, "race", host(f"host-{one.task}", locks)) for one in places]
    racers[0].wait_for(lambda: racers[0].has_started("domain_triage") and racers[0].workers())
    time.sleep(known.drive.random(result.fault).uniform(0.5, 1.5))
    result.when = racers[0].stage
    racers[0].kill()
    _end(result, racers[1:])
    settle(known, result, places, killed=True)


def backfill_and_commands(known: References, result: Result, place: Small) -> None:
    """Start a backfill of three targets, two at once, and commands on one of these targets and on a fourth."""
    places, home = [place, *(place.another(name) for name in TARGETS[1:4])], Home(place, "home")
    home.backfill([one.task for one in places[:3]], "backfill")
    with home.daemon():
        _end(result, [places[0].start("race", "select"), places[3].start("race", "select")])
        _wait(result, home)
    settle(known, result, places)


def backfill_killed(known: References, result: Result, place: Small) -> None:
    """Start a backfill of the same three targets in two homes; kill the daemon and the runs of one home."""
    places, homes = [place, place.another("t2"), place.another("t3")], [Home(place, "one"), Home(place, "two")]
    for home in homes:
        home.backfill([one.task for one in places], f"backfill-{home.folder.name}")
    with homes[0].daemon():
        with homes[1].daemon():
            _until(lambda: any(place.lake.root.glob("encoders/*")))
            result.when = "the encoder is fitted"
        for run in homes[1].runs():  # each run has its own session, which does not end with the daemon
            _kill_run(run.run_id)
        _wait(result, homes[0])
    settle(known, result, places, killed=True)


def backfill_of_twelve(known: References, result: Result, place: Small) -> None:
    """Start a backfill of twelve targets of one new pool, two at once: each row must be encoded once."""
    places, home = [place, *(place.another(name) for name in TARGETS[1:])], Home(place, "home")
    home.backfill(TARGETS, "backfill")
    with home.daemon():
        _wait(result, home)
    encoded, distinct = known.encoded(places)
    result.notes.append(f"{encoded} rows encoded, {distinct} distinct")
    result.must(encoded == distinct, f"{encoded} rows were encoded, of {distinct} distinct ones")
    settle(known, result, places)


RACES: dict[str, Race] = {
    "pool-two": pool_two,
    "pool-eight": pool_eight,
    "pool-paused-in-triage": pool_paused_in_triage,
    "pool-paused-in-embeddings": pool_paused_in_embeddings,
    "pool-killed": pool_killed,
    "target-two": target_two,
    "target-budgets": target_budgets,
    "target-command-and-job": target_command_and_job,
    "target-killed": target_killed,
    "growing-while-encoded": growing_while_encoded,
    "growing-while-paused": growing_while_paused,
    "growing-killed": growing_killed,
    "homes-other-targets": homes_other_targets,
    "homes-same-target": homes_same_target,
    "homes-killed": homes_killed,
    "hosts-other-targets": hosts_other_targets,
    "hosts-same-target": hosts_same_target,
    "hosts-killed": hosts_killed,
    "backfill-and-commands": backfill_and_commands,
    "backfill-killed": backfill_killed,
    "backfill-of-twelve": backfill_of_twelve,
}


def _needs_hosts(result: Result) -> None:
    result.skipped = no_hosts()
    if result.skipped:
        raise Stopped


def _together(known: References, result: Result, places: Sequence[Small]) -> None:
    _end(result, [one.start("race", "select") for one in places])
    settle(known, result, places)


def _until(seen: Callable[[], bool], seconds: float = 4 * LONGEST) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not seen within {seconds:.0f} s")
        time.sleep(0.02)


def _paused_at_the_fit(result: Result, place: Small) -> Command:
    """Start a command, and pause it when its encoder is fitted: it has read which rows have vectors, and added none."""
    command = place.start("race", "select")
    _pause_at_the_fit(result, place, command)
    return command


def _pause_at_the_fit(result: Result, place: Small, command: Command) -> None:
    fits, result.when = place.lake.root / "encoders", "the encoder is fitted"
    command.wait_for(lambda: any(fits.glob("*")), every=0.0005)
    command.pause()


def _run_past(paused: Command, other: Command, stage: str) -> None:
    """Let the other command run for some seconds from a stage on, then resume the paused command."""
    other.wait_for(lambda: other.has_started(stage))
    since = time.monotonic()
    other.wait_until(lambda: time.monotonic() - since > _LET_GO)
    paused.resume()


def _end(result: Result, racers: Sequence[Command]) -> None:
    """Wait for all commands; each must succeed, or fail with an error that names `getmore repair`."""
    codes = [one.end() for one in racers]
    result.code, result.seconds = max(codes, key=abs), max(one.seconds for one in racers)
    for code, one in zip(codes, racers, strict=True):
        error = one.error or one.last_line
        if code and REPAIR in error:  # and not only the hint at the end of every error
            result.notes.append(f"{one.log.stem} failed and named {REPAIR_COMMAND}")
        elif code:
            result.said = result.said or error
            result.wrong.append(f"{one.log.stem} ended with {code}: {error[:200]}")


def _wait(result: Result, home: Home) -> None:
    """Wait for the runs of a home; each must succeed."""
    over = ("SUCCESS", "FAILURE", "CANCELED")
    _until(lambda: all(run.status.value in over for run in home.runs()))
    failed = [run.tags["dagster/partition"] for run in home.runs() if run.status.value != "SUCCESS"]
    result.must(not failed, f"runs of {', '.join(failed)} of the backfill failed")


def _kill_run(run_id: str) -> None:
    for process in psutil.process_iter(["cmdline"]):
        if any(run_id in part for part in process.info["cmdline"] or []):
            for one in [process, *process.children(recursive=True)]:
                one.kill()


def settle(
    known: References, result: Result, places: Sequence[Small], grown: bool = False, killed: bool = False
) -> None:
    """Run each target again, repair the lake if the error says so, and judge the contents of the lake.

    Args:
        known: What undisturbed runs leave.
        result: The result of the race.
        places: The targets.
        grown: Whether the pool grew.
        killed: Whether a command was killed: then its work folders and fits may remain, and are noted.
    """
    result.wrong += [f"before the rerun {one}" for one in duplicates(places[0])]
    result.reused = 0
    for place in places:
        again = place.run("again", "select")
        if again.end() and REPAIR_COMMAND in again.error:
            repair(result, place)
            again = place.run("repaired", "select")
        if again.end():
            result.wrong.append(
                f"{place.task} again ended with {again.end()}: {(again.error or again.last_line)[:300]}"
            )
            continue
        result.reused += again.reused
        result.wrong += [f"{place.task}: {wrong}" for wrong in differences(place, known.of(place.task, grown))]
    for one in leftovers(places[0]):
        allowed = killed and one.startswith(("left: work/", "left: encoders/"))
        (result.notes if allowed else result.wrong).append(one)


def main() -> int:
    """Run the drive, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="races or prefixes of their names, separated by commas")
    parser.add_argument("--list", action="store_true", help="print the races and end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a JSON file to which the results are added")
    args = parser.parse_args()
    chosen = [name for name in RACES if name.startswith(tuple(args.only.split(",")))]
    if args.list:
        print("\n".join(f"{name:28}{(RACES[name].__doc__ or '').splitlines()[0]}" for name in chosen))
        return 0
    assert Path(getmore_assets.__file__).is_relative_to(REPO), f"{getmore_assets.__file__} is not this checkout's"
    home, began = Path(tempfile.mkdtemp(prefix="getmore-races-")), time.monotonic()
    drive = Drive(home, small_sources(home), args.seed, places=Small)
    known = References(drive)
    print(f"in {home}", flush=True)
    for name in chosen:
        with drive.scenario(name) as (result, place):
            assert isinstance(place, Small)
            RACES[name](known, result, place)
        if args.out:
            keep(args.out, "races", drive.results[-1:], home)
    return end("races", drive.results, time.monotonic() - began, home)


if __name__ == "__main__":
    sys.exit(main())
