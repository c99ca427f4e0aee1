"""Run the drives.

    python -m tests.drives                 list the drives, their minutes, and why one cannot run here
    python -m tests.drives races damages   run some drives, one after another
    python -m tests.drives --all           run all drives; skip those that cannot run here, with the reason

A table is printed at the end. The exit code is 1 if a drive failed. Results are written to the folder of `--results`.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.drives.command import REPO

_EARLIER = "ea87ab6"  # a commit whose lakes must still work


def _package(name: str, install: str) -> Callable[[], str]:
    return lambda: "" if importlib.util.find_spec(name) else f"{name} is not installed: {install}"


def _history() -> str:
    """Return why git does not have the earlier commit, or an empty string."""
    command = ["git", "-C", str(REPO), "cat-file", "-e", f"{_EARLIER}^{{commit}}"]
    exists = shutil.which("git") and subprocess.run(command, capture_output=True, check=False).returncode == 0
    return "" if exists else f"git does not have {_EARLIER} here: fetch the whole history"


def _browser() -> str:
    """Return why no browser can be started, or an empty string."""
    if not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).is_file():
        return "no Chromium: install it, or name it in CHROMIUM"
    return _package("playwright", "pip install playwright")()


def _postgres() -> str:
    """Return why Postgres cannot be started, or an empty string."""
    programs = [name for name in ("pg_config", "psql", "sh") if not shutil.which(name)]
    if programs:
        return f"{', '.join(programs)}: not found; install Postgres' programs"
    return _package("dagster_postgres", "pip install 'getmore-assets[deploy]'")()


@dataclass(frozen=True)
class Drive:
    """One drive.

    Attributes:
        about: What the drive tests, in a line.
        minutes: Its duration on two cores.
        module: Its module in `tests.drives`.
        arguments: Arguments of the module.
        results: The name of its results file, or empty.
        lacks: Returns why the drive cannot run here, or an empty string.
    """

    about: str
    minutes: int
    module: str
    arguments: tuple[str, ...] = ()
    results: str = ""
    lacks: Callable[[], str] = str


DRIVES = {
    "races": Drive("commands, jobs and backfills at once on one lake", 20, "races", (), "races.json"),
    "damages": Drive("a lake is damaged, checked and repaired", 15, "damages", (), "damages.json"),
    "upgrade": Drive(
        f"the same for a lake written by {_EARLIER}",
        15,
        "damages",
        ("--written-by", _EARLIER),
        "upgrade.json",
        _history,
    ),
    "faults": Drive("kills, full and read-only disks, MLflow down", 60, "faults", ("--kills", "8"), "faults.json"),
    "live": Drive("a daemon, a webserver, targets that change", 12, "live", (), "live.json"),
    "embedded": Drive(
        "the pipeline in four other projects, each with a live daemon and webserver",
        15,
        "embedded",
        (),
        "embedded.json",
    ),
    "report": Drive("the report in a browser", 2, "report", lacks=_browser),
    "places": Drive(
        "pool, target and exports on an S3 server",
        4,
        "places",
        (),
        "places.json",
        _package("moto", "pip install 'getmore-assets[dev,places]'"),
    ),
    "store": Drive(
        "a lake on an S3 server: kills, connections that are cut off, two machines at once",
        15,
        "lake_on_store",
        (),
        "lake-on-store.json",
        _package("moto", "pip install 'getmore-assets[dev,places]'"),
    ),
    "fuzz": Drive(
        "2,000 damaged files of every format, through the readers",
        1,
        "fuzz_readers",
        (),
        "fuzz-readers.json",
        _package("datasets", "pip install 'getmore-assets[datasets]'"),
    ),
    "scripts": Drive("topical selection in thirteen scripts, from `init` on", 3, "scripts", (), "scripts.json"),
    "ray": Drive(
        "two Ray nodes without a shared folder, with the lake on S3: one is removed in each of five stages",
        12,
        "ray_cluster",
        (),
        "ray-cluster.json",
        _package("ray", "pip install 'getmore-assets[ray]'"),
    ),
    "wheel": Drive(
        "the wheel is built and installed, and the demo run in an empty folder",
        6,
        "wheel",
        (),
        "wheel.json",
        _package("hatchling", "pip install hatchling"),
    ),
    "deployment": Drive(
        "the deployment's services as processes, on a real Postgres",
        6,
        "deployment",
        (),
        "deployment.json",
        _postgres,
    ),
}


def _run(drive: Drive, folder: Path) -> int:
    out = ["--out", str(folder / drive.results)] if drive.results else []
    command = [sys.executable, "-m", f"tests.drives.{drive.module}", *drive.arguments, *out]
    return subprocess.run(command, cwd=REPO, check=False).returncode


def main() -> int:
    """List or run drives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(DRIVES)}")
    parser.add_argument("--all", action="store_true", help="run every drive")
    parser.add_argument("--results", type=Path, default=REPO / "benchmarks" / "results", help="a folder for results")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(DRIVES)):
        parser.error(f"no drive is called {', '.join(unknown)}; there are {', '.join(DRIVES)}")
    chosen = list(DRIVES) if args.all else args.names
    console = Console(width=140, markup=False)
    if not chosen:
        table = Table("drive", "minutes", "shows", "cannot run here because")
        for name, drive in DRIVES.items():
            table.add_row(name, str(drive.minutes), drive.about, drive.lacks())
        console.print(table)
        return 0
    args.results.mkdir(parents=True, exist_ok=True)
    table, failed = Table("drive", "outcome", "minutes", title="drives"), False
    for name in chosen:
        began, lacks = time.monotonic(), DRIVES[name].lacks()
        if not lacks:
            print(f"== {name}: {DRIVES[name].about}", flush=True)
        code = 0 if lacks else _run(DRIVES[name], args.results)
        failed |= code != 0
        outcome = f"skipped: {lacks}" if lacks else "held" if code == 0 else f"FAILED, exit code {code}"
        table.add_row(name, outcome, f"{(time.monotonic() - began) / 60:.1f}")
    console.print(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
