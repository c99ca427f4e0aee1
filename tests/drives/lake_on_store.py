"""A lake on an S3 server: killed and cut off at work, and worked on by two machines at once.

    python -m tests.drives.lake_on_store --out lake-on-store.json

The server is moto's on loopback, which checks signatures and honours conditional puts. A machine is a mirror of
its own. Prints a table; exit code 1 where something did not hold.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from getmore_assets.lake import Lake
from tests.conftest import documents, task_fields, write_sources, write_task
from tests.drives.command import Command
from tests.s3_server import BUCKET, S3, dropping, serving

KILLED_IN = ("raw_corpus", "base_model", "domain_triage", "ot_potentials", "warmed_model", "scorecard")
_EVERY = 9  # so many answers, and the next connection is dropped
_ATTEMPTS = 8  # of a command whose connections are dropped
_KEYS = {"raw_corpus": ["pool", "id"], "embeddings": ["encoder", "id"]}


@dataclass
class Scenario:
    """What was seen of one lake, and what did not hold."""

    name: str
    notes: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def must(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(what)


@dataclass
class Drive:
    """The server, and the folder of sources, task files, mirrors and logs."""

    home: Path
    s3: S3
    runs: int = 0

    def command(self, lake: str, machine: str, endpoint: str = "", task: str = "tiny") -> Command:
        """Start `getmore run` on a lake of the store."""
        self.runs += 1
        fields = task_fields(self.home / "files", _url(lake), name=task)
        file = write_task(self.home / f"{lake}-{task}.yaml", fields)
        log = self.home / f"{self.runs:02}-{lake}-{machine}.log"
        return Command(
            ["-m", "getmore_assets.cli", "run", str(file), "--json", "--verbose"],
            log,
            self.environment(machine, endpoint),
        )

    def environment(self, machine: str, endpoint: str = "") -> Mapping[str, str]:
        address = {"AWS_ENDPOINT_URL": endpoint} if endpoint else {}
        return {**self.s3.environment, **address, "GETMORE_MIRROR": str(self.home / machine), "OMP_NUM_THREADS": "1"}

    def finished(self, scenario: Scenario, command: Command) -> dict[str, str]:
        """Wait for a command that must succeed; the status of each stage."""
        code = command.end()
        scenario.must(code == 0, f"{command.log.name} ended with {code}: {(command.error or command.last_line)[:300]}")
        return {one["name"]: one["status"] for one in command.answer.get("stages", [])}


def _url(lake: str) -> str:
    return f"s3://{BUCKET}/lakes/{lake}"


def _holds(drive: Drive, scenario: Scenario, lake: str, machine: str, command: Command) -> dict[str, Any]:
    """What a lake holds in the end: the selection, and the means of the scorecard; each row of a table once."""
    before = dict(os.environ)
    os.environ.update(drive.environment(machine))
    try:
        tables = Lake(_url(lake))
        for name, key in _KEYS.items():
            rows = tables.latest(name).scan().select(key).collect()
            scenario.must(not rows.is_duplicated().any(), f"{name} holds rows twice")
            scenario.notes[f"rows of {name}"] = rows.height
    finally:
        os.environ.clear()
        os.environ.update(before)
    answer = command.answer
    if "selected" not in answer:  # it failed, which `finished` has noted
        return {}
    selected = pl.read_parquet(answer["selected"]).select("id", "score", "rank").rows()
    return {"selected": selected, "summary": answer["summary"]}


def undisturbed(drive: Drive) -> tuple[Scenario, dict[str, Any]]:
    """A run, the same run again, and the same on a second machine."""
    scenario = Scenario("undisturbed")
    first = drive.command("undisturbed", "one")
    scenario.must(set(drive.finished(scenario, first).values()) == {"materialized"}, "a stage was not materialized")
    for machine in ("one", "two"):
        again = drive.command("undisturbed", machine)
        statuses = set(drive.finished(scenario, again).values())
        scenario.must(statuses == {"cached"}, f"again on machine {machine}: {statuses}")
        scenario.notes[f"seconds again on machine {machine}"] = again.seconds
    scenario.notes["seconds"] = first.seconds
    return scenario, _holds(drive, scenario, "undisturbed", "one", first)


def killed(drive: Drive, expected: dict[str, Any]) -> Scenario:
    """SIGKILL in one stage after another; the last time another machine goes on."""
    scenario = Scenario("killed")
    seen = []
    for stage in KILLED_IN:
        command = drive.command("killed", "one")
        command.wait_for(lambda c=command, s=stage: c.has_started(s))
        time.sleep(0.7)
        seen.append(f"{stage}: {command.stage}")
        left = command.kill()
        scenario.must(not left, f"processes outlived the kill in {stage}: {left}")
    last = drive.command("killed", "two")
    statuses = drive.finished(scenario, last)
    scenario.notes["killed after the start of, in"] = seen
    scenario.notes["cached on the other machine"] = sum(one == "cached" for one in statuses.values())
    scenario.notes["seconds on the other machine"] = last.seconds
    scenario.must(_holds(drive, scenario, "killed", "two", last) == expected, "the results differ")
    return scenario


def cut_off(drive: Drive, expected: dict[str, Any]) -> Scenario:
    """Every ninth answer is lost, of reads and of writes that were done."""
    scenario = Scenario("cut off")
    with dropping(drive.s3.url, after=0, times=10**9, every=_EVERY) as proxy:
        for attempt in range(1, _ATTEMPTS + 1):
            command = drive.command("cut-off", "one", proxy.url)
            if command.end() == 0:
                break
            scenario.notes[f"attempt {attempt}"] = (command.error or command.last_line)[:200]
        scenario.notes |= {"connections cut off": proxy.dropped, "attempts": attempt, "seconds": command.seconds}
    scenario.must(command.end() == 0, f"no attempt succeeded: {command.error or command.last_line}")
    if command.end() == 0:
        scenario.must(_holds(drive, scenario, "cut-off", "one", command) == expected, "the results differ")
    return scenario


def cut_in_two(drive: Drive, expected: dict[str, Any]) -> Scenario:
    """A new machine reads the undisturbed lake; every second answer of more than 2,000 bytes ends there."""
    scenario = Scenario("cut in two")
    with dropping(drive.s3.url, after=2000, times=10**9, every=2) as proxy:
        command = drive.command("undisturbed", "three", proxy.url)
        statuses = set(drive.finished(scenario, command).values())
        scenario.notes |= {"connections cut off": proxy.dropped, "seconds": command.seconds}
    scenario.must(statuses == {"cached"}, f"statuses: {statuses}")
    scenario.must(_holds(drive, scenario, "undisturbed", "three", command) == expected, "the results differ")
    return scenario


def at_once(drive: Drive, expected: dict[str, Any]) -> Scenario:
    """Two machines begin the same work at the same time."""
    scenario = Scenario("two machines at once")
    commands = [drive.command("at-once", machine) for machine in ("one", "two")]
    statuses = [drive.finished(scenario, command) for command in commands]
    made = [sum(one == "materialized" for one in of.values()) for of in statuses]
    scenario.notes |= {"materialized by each": made, "seconds": [one.seconds for one in commands]}
    scenario.must(sum(made) == len(statuses[0]), f"stages were materialized {sum(made)} times")
    for machine, command in zip(("one", "two"), commands, strict=True):
        scenario.must(_holds(drive, scenario, "at-once", machine, command) == expected, "the results differ")
    return scenario


def two_tasks(drive: Drive, expected: dict[str, Any]) -> Scenario:
    """Two tasks of the same rows, on two machines at once: pool and vectors are shared, each row is written once."""
    scenario = Scenario("two tasks at once")
    machines = {"one": "tiny", "two": "other"}
    commands = [drive.command("two-tasks", machine, task=task) for machine, task in machines.items()]
    for machine, command in zip(machines, commands, strict=True):
        drive.finished(scenario, command)
        scenario.must(_holds(drive, scenario, "two-tasks", machine, command) == expected, "the results differ")
    return scenario


def main() -> int:
    """Run all scenarios and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving() as s3:
        drive = Drive(Path(folder), s3)
        (drive.home / "files").mkdir()
        write_sources(documents.__wrapped__(), drive.home / "files")
        first, expected = undisturbed(drive)
        print(first, flush=True)
        scenarios = [first]
        for scenario in (killed, cut_off, cut_in_two, at_once, two_tasks):
            scenarios.append(scenario(drive, expected))
            print(scenarios[-1], flush=True)
        secret = s3.environment["AWS_SECRET_ACCESS_KEY"].encode()
        kept = [str(path) for path in drive.home.rglob("*") if path.is_file() and secret in path.read_bytes()]
        first.must(not kept, f"the secret key stands in {kept}")
    table = Table("scenario", "outcome", "seen", title="a lake on a store")
    for one in scenarios:
        table.add_row(one.name, "; ".join(one.wrong) or "held", json.dumps(one.notes)[:600])
    Console(width=140, markup=False).print(table)
    if asked.out:
        asked.out.write_text(json.dumps([one.__dict__ for one in scenarios], indent=1), "utf-8")
    return int(any(one.wrong for one in scenarios))


if __name__ == "__main__":
    sys.exit(main())
