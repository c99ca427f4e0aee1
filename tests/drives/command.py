"""A place with a lake of its own, and the command at work in it.

Belongs here: starting the command, reading what it says, killing it. Does not: what a lake must hold (`judge.py`).
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
LONGEST = 600.0  # seconds that a command may take before it counts as hung
_STAGE = re.compile(rf"^({'|'.join(STAGE_NAMES)})(: computing| +[\d,]+ rows )", re.MULTILINE)
_OTHERS = ("DAGSTER_HOME", "MLFLOW_TRACKING_URI")


class MissedError(RuntimeError):
    """What a drive waited for was not seen."""


class Command:
    """A program at work on a lake, with all that it prints in files.

    Args:
        arguments: Of Python, as `["-m", "getmore_assets.cli", "run", ...]`.
        log: Where its standard error goes; its standard output goes beside it.
        environment: Added to this process's.
        code: The checkout whose package runs.
        before: The program that starts Python, where another does: `["ip", "netns", "exec", NAME]`.
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
    def going(self) -> bool:
        return self.process.poll() is None

    @property
    def text(self) -> str:
        return self.log.read_text("utf-8", "replace").replace("\r", "\n")

    @property
    def said(self) -> str:
        """The last line of what it said."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    @property
    def stage(self) -> str:
        """The stage that is being made, or the one after which it is."""
        seen = _STAGE.findall(self.text)
        if not seen:
            return "inputs" if "checking the inputs" in self.text else "start"
        name, what = seen[-1]
        return name if what == ": computing" else f"after {name}"

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object that it ended with."""
        lines = self.printed.read_text("utf-8").splitlines()
        return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}

    @property
    def error(self) -> str:
        """Why it failed, as it says to a script, without a stack's lines."""
        lines = str(self.answer.get("error", "")).splitlines()
        return " ".join(line.strip() for line in lines if line.strip() and not re.match(r"\s*\d+: <unknown>", line))

    @property
    def reused(self) -> int:
        """Stages that it did not make again."""
        return sum(one["status"] != "materialized" for one in self.answer.get("stages", []))

    def workers(self) -> list[psutil.Process]:
        """The worker processes it has now."""
        return workers_of(self.process)

    def reach(self, seen: Callable[[], Any], every: float = 0.005) -> None:
        """Wait for something to be seen.

        Raises:
            MissedError: The command ended, or time did, before it was: a drive that goes on would show nothing.
        """
        if not self.until(seen, every):
            raise MissedError(f"the moment was missed: its log, {self.log}, ends: {self.said}")

    def until(self, seen: Callable[[], Any], every: float = 0.005) -> bool:
        """Wait for something to be seen; False where the command ended, or time did, before it was."""
        while self.going and time.monotonic() - self.began < LONGEST:
            if seen():
                return True
            time.sleep(every)
        return False

    def pause(self) -> None:
        """Stop it and all that it started, until `go_on`."""
        for process in [self.process, *self.process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def go_on(self) -> None:
        """Let what was paused go on."""
        with suppress(psutil.NoSuchProcess):
            for process in [*self.process.children(recursive=True), self.process]:
                process.resume()

    def makes(self, stage: str) -> bool:
        """Whether it has begun to make a stage."""
        return f"{stage}: computing" in self.text

    def end(self) -> int:
        """Wait for its end; its exit code, or -9 where it hung and was killed."""
        try:
            code = self.process.wait(max(1.0, LONGEST - (time.monotonic() - self.began)))
        except psutil.TimeoutExpired:
            self.kill()
            code = self.process.wait()
        self.seconds = self.seconds or round(time.monotonic() - self.began, 1)
        return int(code)

    def kill(self, within: float = 2.0) -> list[str]:
        """kill -9 it alone; the processes it had started that are still there after `within` seconds."""
        try:
            self.process.send_signal(signal.SIGSTOP)  # so that it starts none while they are counted
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
            except (psutil.NoSuchProcess, psutil.ZombieProcess):  # over, and not yet collected by init
                continue
        return names


def workers_of(command: psutil.Process) -> list[psutil.Process]:
    """The worker processes of a command; the interpreter that they are forked from is none of them."""
    found = []
    for child in command.children(recursive=True):
        try:
            line = " ".join(child.cmdline())
            forks = "fork_server" in line and "fork_server" not in " ".join(child.parent().cmdline())
            if "getmore_assets.workers" in line and not forks:
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


@dataclass(frozen=True)
class Place:
    """A folder with sources, a task file and a lake that nothing else uses."""

    home: Path
    task: str = "tiny"

    @classmethod
    def new(cls, home: Path, from_sources: Path) -> "Place":
        """A fresh one, with a copy of the sources."""
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
        """The task file: a triage that leaves the embeddings stage its share of rows, and a small comparison."""
        small = {"compare": ["none", "random"], "seeds": 1, "triage": {"sample": 20}}
        fields = {"name": self.task, **small, **changes}
        write_task(self.file, task_fields(self.home / "sources", self.lake.root, **fields))

    def another(self, task: str) -> "Place":
        """Another target in the same lake: what stands in test of this one is its train, and the other way round."""
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
        """Start `getmore VERB TASK.yaml`; `name` is that of its log."""
        follows = code == REPO and verb in ("run", "select")  # by `Command.makes`; earlier code says more by itself
        steps = ["--verbose"] if follows else []
        command = ["-m", "getmore_assets.cli", verb, str(self.file), *arguments, *steps, "--json"]
        return Command(command, self.home / f"{self.task}-{name}.log", environment, code, before)

    def run(self, name: str, verb: str = "run", *arguments: str, code: Path = REPO, **environment: str) -> Command:
        """Start the command, and wait for its end."""
        command = self.start(name, verb, *arguments, code=code, **environment)
        command.end()
        return command

    def grow_target(self, from_extra: int = 0) -> None:
        """Append rows to target train."""
        extra = (self.home / "sources" / "extra.jsonl").read_text("utf-8").splitlines(keepends=True)
        with (self.home / "sources" / "train.jsonl").open("a", encoding="utf-8") as train:
            train.writelines(extra[from_extra:])


def make_sources(home: Path) -> Path:
    """The tests' own sources, and extra.jsonl: rows by which target train will grow."""
    found = documents.__wrapped__()
    folder = home / "sources"
    folder.mkdir()
    write_sources(found, folder)
    wanted = found.filter((found["domain"] == "http") | (found["domain"] == "urllib")).select("text", label="domain")
    wanted.head(30).write_ndjson(folder / "extra.jsonl")
    return folder


def free_port(seed: int) -> int:
    """A port at which nothing listens."""
    taken = {one.laddr.port for one in psutil.net_connections("inet") if one.laddr}
    return next(p for p in random.Random(seed).sample(range(20_000, 30_000), 1000) if p not in taken)


def mounted(*arguments: str) -> bool:
    """Whether mount(8) did what it was asked for."""
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


def unmount(folder: Path) -> None:
    """Take the topmost mount away; lazily where something is still open in it."""
    if subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
