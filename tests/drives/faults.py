"""Disturb the command with kills, full disks and lost servers; run it again, and judge the lake.

    python -m tests.drives.faults [--kills 20] [--seed 0] [--only kill,disk] [--out FILE.json]

The exit code is 1 if a scenario failed; its lake is kept. The drive takes about an hour on two cores. Faults of the
disk need the right to mount, and are skipped without it.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import getmore_assets
from tests.drives import company, kills, services, storage
from tests.drives.command import REPO, make_sources
from tests.drives.drive import Drive
from tests.drives.outcomes import end, keep

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
    """Run the drive, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="the number of runs in which the command is killed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(SCENARIOS), help=f"some of {', '.join(SCENARIOS)}")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    args = parser.parse_args()
    assert Path(getmore_assets.__file__).is_relative_to(REPO), f"{getmore_assets.__file__} is not this checkout's"
    home, began = Path(tempfile.mkdtemp(prefix="getmore-faults-")), time.monotonic()
    drive = Drive.begin(home, make_sources(home), args.seed)
    assert drive.undisturbed
    print(f"in {home}; undisturbed {drive.seconds} s: {drive.undisturbed.rows}, {drive.undisturbed.scored}", flush=True)
    for name in args.only.split(","):
        SCENARIOS[name](drive, args.kills)
    if args.out:
        keep(args.out, "faults", drive.results, home, undisturbed=asdict(drive.undisturbed))
    return end("faults", drive.results, time.monotonic() - began, home)


if __name__ == "__main__":
    sys.exit(main())
