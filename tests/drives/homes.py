"""Dagster homes with their jobs and backfills, and separate hosts, that use one lake.

Belongs here: starting them. Does not: races between them (`races.py`).
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
    """A Dagster home with the tasks folder of a place.

    Args:
        place: The folder of the task files.
        name: The name of the home's folder.
        at_once: The number of runs of a backfill at once.
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
        """Materialize the stages up to the subset of one target, in one process."""
        self._register([place.task])
        stages = ["--select", ",".join(UP_TO_SUBSET), "--partition", place.task]
        command = ["-m", "dagster", "asset", "materialize", *_CODE, *stages]
        return Command(command, place.home / f"{place.task}-{name}.log", self.environment, before=before)

    def backfill(self, targets: Sequence[str], name: str) -> None:
        """Queue a run of the job `select` for each target; the daemon starts them."""
        self._register(targets)
        arguments = ["-m", "dagster", "job", "backfill", *_CODE, "-j", "select", "--noprompt", "--partitions"]
        command = Command([*arguments, ",".join(targets)], self.place.home / f"{name}.log", self.environment)
        if command.end():
            raise RuntimeError(f"the backfill was not started: {command.last_line}")

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Run the daemon; kill it and its child processes at the end."""
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
        """Return the home's runs, the oldest first."""
        with dg.DagsterInstance.from_config(str(self.folder)) as instance:
            return list(reversed(instance.get_runs()))


def host(name: str, own_locks: Path | None = None) -> list[str]:
    """Return a command prefix that runs a program on a separate host, with its own name, network and process ids.

    Args:
        name: The host name.
        own_locks: The folder of a lake's locks, if the host does not share them, as on some network file systems.
    """
    locks = f"mount -t tmpfs tmpfs {own_locks} && " if own_locks else ""
    script = f'echo {name} > /proc/sys/kernel/hostname && ip link set lo up && {locks}exec "$@"'
    return [*_ISOLATED, "sh", "-c", script, "sh"]


@lru_cache(maxsize=1)
def no_hosts() -> str:
    """Return why no separate host can be created here, or an empty string."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return "no hosts: util-linux or iproute2 is not installed"
    trial = subprocess.run([*host("trial"), "true"], capture_output=True, text=True, check=False)
    return f"no hosts: {trial.stderr.strip()}" if trial.returncode else ""
