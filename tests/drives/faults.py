"""Everything that can go wrong around the command, done to it; then the same command again, and what it must leave.

    python -m tests.drives.faults [--kills 20] [--seed 0] [--only kill,disk] [--out FILE.json]

Exit code 1 where anything did not hold; the lakes of such scenarios are kept. The whole drive takes about an hour on
two cores. Faults of the disk need the right to mount, and are skipped without it.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

import getmore_assets
from tests.drives import company, kills, services, storage
from tests.drives.command import REPO, make_sources
from tests.drives.drive import Drive

SCENARIOS = {
    "worker": lambda drive, _: kills.of_a_worker(drive, 3),
    "stores": lambda drive, count: kills.while_a_store_is_made(drive, min(count, 4)),
    "signals": lambda drive, _: kills.by_a_signal(drive),
    "disk": lambda drive, _: storage.full(drive),
    "read-only": lambda drive, _: storage.read_only(drive),
    "company": lambda drive, _: company.two_commands(drive),
    "target": lambda drive, _: company.target_changes(drive),
    "unreachable": lambda drive, _: services.unreachable(drive),
    "server": lambda drive, _: services.killed(drive),
    "kill": kills.of_the_command,
}


def main() -> int:
    """Drive, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="how often the command is killed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(SCENARIOS), help=f"some of {', '.join(SCENARIOS)}")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    asked = parser.parse_args()
    assert Path(getmore_assets.__file__).is_relative_to(REPO), f"{getmore_assets.__file__} is not this checkout's"
    home, began = Path(tempfile.mkdtemp(prefix="getmore-faults-")), time.monotonic()
    drive = Drive.begin(home, make_sources(home), asked.seed)
    print(f"in {home}; undisturbed {drive.seconds} s: {drive.undisturbed.rows}, {drive.undisturbed.scored}", flush=True)
    for name in asked.only.split(","):
        SCENARIOS[name](drive, asked.kills)
    _print(drive, time.monotonic() - began)
    if asked.out:
        rows = [{**asdict(one), "outcome": one.outcome} for one in drive.results]
        found = json.dumps({"undisturbed": asdict(drive.undisturbed), "faults": rows}, indent=1, ensure_ascii=False)
        asked.out.write_text(found.replace(str(home), "…") + "\n", "utf-8")
    if any(one.wrong for one in drive.results):
        return 1
    shutil.rmtree(home, ignore_errors=True)
    return 0


def _print(drive: Drive, seconds: float) -> None:
    table = Table("fault", "when", "the disturbed run said", "exit", "seconds", "reused", "outcome", title="faults")
    for one in drive.results:
        numbers = ("" if value is None else str(value) for value in (one.code, one.seconds, one.reused))
        table.add_row(one.fault, one.when, one.said[:200], *numbers, one.outcome)
    Console(width=200, soft_wrap=False, markup=False).print(table, markup=False)
    failed, skipped = ([one for one in drive.results if getattr(one, kind)] for kind in ("wrong", "skipped"))
    count = len(drive.results)
    print(f"{count} faults in {seconds / 60:.0f} min: {count - len(failed) - len(skipped)} held", end="")
    print(f", {len(failed)} failed, {len(skipped)} skipped")
    for one in failed:
        print(f"  {one.fault}: {one.outcome}; kept in {one.lake}")


if __name__ == "__main__":
    sys.exit(main())
