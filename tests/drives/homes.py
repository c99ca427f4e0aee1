"""Who else works on a lake: Dagster homes with their jobs and backfills, and hosts of their own.

Belongs here: starting them. Does not: what is driven by them (`races.py`).
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import dagster as dg
import yaml

from tests.drives.command import REPO, Command, Place
from tests.drives.judge import UP_TO_SUBSET

_CODE = ["-m", "getmore_assets.definitions"]
_ISOLATED = ["unshare", "--net", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]


class Home:
    """A Dagster home whose tasks folder is that of a place.

    Args:
        place: Where its task files are.
        name: Of its folder.
        at_once: Runs of a backfill that may go at once.
    """

    def __init__(self, place: Place, name: str, at_once: int = 2) -> None:
        self.folder, self.place = place.home / name, place
        self.folder.mkdir()
        settings = yaml.safe_load((REPO / "dagster.yaml").read_text("utf-8"))
        settings["concurrency"]["runs"]["max_concurrent_runs"] = at_once
        (self.folder / "dagster.yaml").write_text(yaml.safe_dump(settings), "utf-8")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DAGSTER_HOME": str(self.folder),
            "GETMORE_TASKS": str(self.place.home),
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }

    def _register(self, targets: Sequence[str]) -> None:
        with dg.DagsterInstance.from_config(str(self.folder)) as instance:
            instance.add_dynamic_partitions("target", list(targets))

    def start(self, place: Place, name: str, before: Sequence[str] = ()) -> Command:
        """Materialise the stages up to the subset of one target, in one process."""
        self._register([place.task])
        stages = ["--select", ",".join(UP_TO_SUBSET), "--partition", place.task]
        command = ["-m", "dagster", "asset", "materialize", *_CODE, *stages]
        return Command(command, place.home / f"{place.task}-{name}.log", self.environment, before=before)

    def backfill(self, targets: Sequence[str], name: str) -> None:
        """Queue a run of the job `select` for each target; the daemon starts them."""
        self._register(targets)
        asked = ["-m", "dagster", "job", "backfill", *_CODE, "-j", "select", "--noprompt", "--partitions"]
        command = Command([*asked, ",".join(targets)], self.place.home / f"{name}.log", self.environment)
        if command.end():
            raise RuntimeError(f"the backfill was not begun: {command.said}")

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """The daemon at work; it ends with all that it started."""
        command = [str(Path(sys.executable).with_name("dagster-daemon")), "run", *_CODE]
        with (self.folder / "daemon.log").open("w") as log:
            daemon = subprocess.Popen(
                command,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                cwd=REPO,
                start_new_session=True,
            )
        try:
            yield
        finally:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()

    def runs(self) -> list[dg.DagsterRun]:
        """Its runs, the first one first."""
        with dg.DagsterInstance.from_config(str(self.folder)) as instance:
            return list(reversed(instance.get_runs()))


def host(name: str, own_locks: Path | None = None) -> list[str]:
    """What starts a program on a host of its own: its name, its network, its process ids, the same file system.

    Args:
        name: Of the host.
        own_locks: The folder of a lake's locks where they reach no other host, as on some network file systems.
    """
    locks = f"mount -t tmpfs tmpfs {own_locks} && " if own_locks else ""
    script = f'echo {name} > /proc/sys/kernel/hostname && ip link set lo up && {locks}exec "$@"'
    return [*_ISOLATED, "sh", "-c", script, "sh"]


@lru_cache(maxsize=1)
def no_hosts() -> str:
    """Why no host of its own can be had here; empty where one can."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return "no hosts: util-linux or iproute2 is not installed"
    tried = subprocess.run([*host("tried"), "true"], capture_output=True, text=True, check=False)
    return f"no hosts: {tried.stderr.strip()}" if tried.returncode else ""
