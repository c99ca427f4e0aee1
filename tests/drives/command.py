"""A folder with its own lake, and a `getmore` command that runs in it.

Belongs here: starting the command, reading its output, killing it. Does not: what a lake must contain (`judge.py`).
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from getmore_assets.lake import Lake
from getmore_assets.records import STAGE_NAMES
from tests.conftest import documents, task_fields, write_sources, write_task

REPO = Path(__file__).parents[2]
LONGEST = 600.0  # seconds after which a command counts as hung
_STAGE = re.compile(rf"^({'|'.join(STAGE_NAMES)})(: computing| +[\d,]+ rows )", re.MULTILINE)
_OTHERS = ("DAGSTER_HOME", "MLFLOW_TRACKING_URI")


class MissedError(RuntimeError):
    """Raised if the event that a drive waited for did not happen."""


class Command:
    """A running program, whose output is written to files.

    Args:
        arguments: Arguments of Python, such as `["-m", "getmore_assets.cli", "run", ...]`.
        log: The file of its standard error; its standard output is in a file beside it.
        environment: Variables added to this process's environment.
        code: The checkout whose package is imported.
        before: A program that starts Python, such as `["ip", "netns", "exec", NAME]`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        code: Path = REPO,
        before: Sequence[str] = (),
    ) -> None:
        self.log, self.printed = log, log.with_suffix(".json")
        inherited = {name: value for name, value in os.environ.items() if name not in _OTHERS}
        inherited["PYTHONPATH"] = str(code)
        command = [*before, sys.executable, *arguments]
        with self.log.open("w") as err, self.printed.open("w") as out:
            self.process = psutil.Popen(
                command, stdout=out, stderr=err, env={**inherited, **environment}, cwd=code, start_new_session=True
            )
        self.began, self.seconds = time.monotonic(), 0.0

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def text(self) -> str:
        return self.log.read_text("utf-8", "replace").replace("\r", "\n")

    @property
    def last_line(self) -> str:
        """The last line of the log."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    @property
    def stage(self) -> str:
        """The stage that is being materialized, or `after STAGE`."""
        messages = _STAGE.findall(self.text)
        if not messages:
            return "inputs" if "checking the inputs" in self.text else "start"
        name, message = messages[-1]
        return name if message == ": computing" else f"after {name}"

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object in the last line of its standard output."""
        lines = self.printed.read_text("utf-8").splitlines()
        return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}

    @property
    def error(self) -> str:
        """The error in its JSON answer, without the lines of a stack."""
        lines = str(self.answer.get("error", "")).splitlines()
        return " ".join(line.strip() for line in lines if line.strip() and not re.match(r"\s*\d+: <unknown>", line))

    @property
    def reused(self) -> int:
        """The number of stages that were not materialized again."""
        return sum(one["status"] != "materialized" for one in self.answer.get("stages", []))

    def workers(self) -> list[psutil.Process]:
        """Return its worker processes."""
        return workers_of(self.process)

    def wait_for(self, seen: Callable[[], Any], every: float = 0.005) -> None:
        """Wait until a condition is true.

        Raises:
            MissedError: The command ended, or the time was over, before the condition was true. A drive that continued
                would test nothing.
        """
        if not self.wait_until(seen, every):
            raise MissedError(f"the moment was missed: the log {self.log} ends with: {self.last_line}")

    def wait_until(self, seen: Callable[[], Any], every: float = 0.005) -> bool:
        """Wait until a condition is true; return False if the command ended, or the time was over, before."""
        while self.running and time.monotonic() - self.began < LONGEST:
            if seen():
                return True
            time.sleep(every)
        return False

    def pause(self) -> None:
        """Suspend the command and its child processes, until `resume`."""
        for process in [self.process, *self.process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Resume the command and its child processes."""
        with suppress(psutil.NoSuchProcess):
            for process in [*self.process.children(recursive=True), self.process]:
                process.resume()

    def has_started(self, stage: str) -> bool:
        """Return whether the command has started to materialize a stage."""
        return f"{stage}: computing" in self.text

    def end(self) -> int:
        """Wait for the end; return the exit code, or -9 if the command hung and was killed."""
        try:
            code = self.process.wait(max(1.0, LONGEST - (time.monotonic() - self.began)))
        except psutil.TimeoutExpired:
            self.kill()
            code = self.process.wait()
        self.seconds = self.seconds or round(time.monotonic() - self.began, 1)
        return int(code)

    def kill(self, within: float = 2.0) -> list[str]:
        """Send SIGKILL to the command alone; return its child processes that are alive after `within` seconds."""
        try:
            self.process.send_signal(signal.SIGSTOP)  # it cannot start a child while its children are listed
            started = self.process.children(recursive=True)
            self.process.kill()
        except psutil.NoSuchProcess:
            started = []
        self.process.wait()
        self.seconds = round(time.monotonic() - self.began, 1)
        _, left = psutil.wait_procs(started, timeout=within)
        names = []
        for process in left:
            try:
                names.append(f"{' '.join(process.cmdline())[:120]} ({process.pid})")
                process.kill()
            except (psutil.NoSuchProcess, psutil.ZombieProcess):  # ended, and not yet collected by init
                continue
        return names


def workers_of(command: psutil.Process) -> list[psutil.Process]:
    """Return the worker processes of a command, without the process that they are forked from."""
    workers = []
    for child in command.children(recursive=True):
        try:
            line = " ".join(child.cmdline())
            forks = "fork_server" in line and "fork_server" not in " ".join(child.parent().cmdline())
            if "getmore_assets.workers" in line and not forks:
                workers.append(child)
        except psutil.NoSuchProcess:
            continue
    return workers


@dataclass(frozen=True)
class Place:
    """A folder with its own sources, task file and lake."""

    home: Path
    task: str = "tiny"

    @classmethod
    def new(cls, home: Path, from_sources: Path) -> "Place":
        """Create the folder, with a copy of the sources."""
        home.mkdir(parents=True)
        shutil.copytree(from_sources, home / "sources")
        place = cls(home)
        place.lake.root.mkdir()
        place.write_task()
        return place

    @property
    def lake(self) -> Lake:
        return Lake(self.home / "lake")

    @property
    def file(self) -> Path:
        return self.home / f"{self.task}.yaml"

    def write_task(self, **changes: Any) -> None:
        """Write the task file: domain triage leaves many rows to the stage `embeddings`; two selectors are compared."""
        small = {"compare": ["none", "random"], "seeds": 1, "triage": {"sample": 20}}
        fields = {"name": self.task, **small, **changes}
        write_task(self.file, task_fields(self.home / "sources", self.lake.root, **fields))

    def another(self, task: str) -> "Place":
        """Return a second target in the same lake: its splits train and test are exchanged."""
        other = Place(self.home, task)
        folder = self.home / "sources"
        splits = {"train": "test", "validation": "validation", "test": "train"}
        other.write_task(target={split: str(folder / f"{name}.jsonl") for split, name in splits.items()})
        return other

    def start(
        self,
        name: str,
        verb: str = "run",
        *arguments: str,
        code: Path = REPO,
        before: Sequence[str] = (),
        **environment: str,
    ) -> Command:
        """Start `getmore VERB TASK.yaml`; `name` is the name of its log."""
        follows = code == REPO and verb in (
            "run",
            "select",
        )  # by `Command.has_started`; earlier code says more by itself
        steps = ["--verbose"] if follows else []
        command = ["-m", "getmore_assets.cli", verb, str(self.file), *arguments, *steps, "--json"]
        return Command(command, self.home / f"{self.task}-{name}.log", environment, code, before)

    def run(self, name: str, verb: str = "run", *arguments: str, code: Path = REPO, **environment: str) -> Command:
        """Run the command to its end."""
        command = self.start(name, verb, *arguments, code=code, **environment)
        command.end()
        return command

    def grow_target(self, from_extra: int = 0) -> None:
        """Append rows to the target's split train."""
        extra = (self.home / "sources" / "extra.jsonl").read_text("utf-8").splitlines(keepends=True)
        with (self.home / "sources" / "train.jsonl").open("a", encoding="utf-8") as train:
            train.writelines(extra[from_extra:])


def make_sources(home: Path) -> Path:
    """Write the sources of the tests, and extra.jsonl: rows that can be appended to the split train."""
    docs = documents.__wrapped__()
    folder = home / "sources"
    folder.mkdir()
    write_sources(docs, folder)
    extra = docs.filter(docs["domain"].is_in(["http", "urllib"])).select("text", label="domain")
    extra.head(30).write_ndjson(folder / "extra.jsonl")
    return folder


def free_port(seed: int) -> int:
    """Return a port that no process listens on."""
    taken = {one.laddr.port for one in psutil.net_connections("inet") if one.laddr}
    return next(p for p in random.Random(seed).sample(range(20_000, 30_000), 1000) if p not in taken)


def mounted(*arguments: str) -> bool:
    """Call mount(8), and return whether it succeeded."""
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


def unmount(folder: Path) -> None:
    """Unmount the topmost mount; lazily if a file in it is still open."""
    if subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
