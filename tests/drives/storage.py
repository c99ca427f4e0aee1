"""Scenarios of a full and of a read-only disk.

Belongs here: the scenarios and their mounts. Does not: judging (`judge.py`).
"""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.drives.command import Command, Place, mounted, unmount
from tests.drives.drive import Drive, Stopped, must_fail
from tests.drives.judge import Result

_FULL = ("No space left", "disk is full", "database or disk is full", "os error 28", "StorageFull", " 0 MiB free")
_READ_ONLY = (
    "Read-only file system",
    "readonly database",
    "os error 30",
    "cannot be written to",
    "no longer be written to",
)


def full(drive: Drive) -> None:
    """Leave only a few kilobytes on the lake's file system during a run."""
    for name, stage, saves, left_kb in (
        ("disk full, the pool", "raw_corpus", False, 64),
        ("disk full, vectors", "embeddings", False, 48),
        ("disk full, potentials", "ot_potentials", False, 64),
        ("disk full, a checkpoint", "warmed_model", False, 300),
        ("disk full, a model is saved", "warmed_model", True, 4),
        ("disk full, nothing left", "finetuned_model", False, 0),
    ):
        with drive.scenario(name) as (result, place), _own_file_system(place, result):
            command = place.start("full")
            command.wait_for(lambda c=command, s=stage: c.has_started(s))
            if saves:
                command.wait_for(lambda c=command, p=place, s=stage: _stopped_saving(c, p, s), every=0.0005)
            result.when = command.stage
            result.must(_filled(place, left_kb), "the moment was missed")
            for worker in command.workers():
                os.kill(worker.pid, signal.SIGCONT)
            must_fail(result, command, naming=_FULL)
            result.must(_remounted(place, "size=1g"), "could not be mounted larger")
            drive.again(result, place)


def _stopped_saving(command: Command, place: Place, stage: str) -> bool:
    """Return whether the folder of a partial model exists; if so, stop the workers, so that it stays partial."""
    if not any(place.lake.root.glob(f"models/{stage}/*.partial")):
        return False
    for worker in command.workers():
        os.kill(worker.pid, signal.SIGSTOP)
    return True


@contextmanager
def _own_file_system(place: Place, result: Result) -> Iterator[None]:
    """Mount a tmpfs for the lake; copy the lake out of it at the end if something failed."""
    root = place.lake.root
    if not mounted("-t", "tmpfs", "-o", "size=1g", "tmpfs", str(root)):
        result.skipped = "no tmpfs can be mounted here"
        raise Stopped
    passed = False
    try:
        yield
        passed = not result.wrong
    finally:
        if not passed:
            shutil.copytree(root, place.home / "lake-kept")
        unmount(root)


def _remounted(place: Place, option: str) -> bool:
    return mounted("-o", f"remount,{option}", str(place.lake.root))


def _filled(place: Place, left_kb: int) -> bool:
    """Shrink the file system to its used size and `left_kb`; return whether it succeeded."""
    root = place.lake.root
    for _ in range(20):  # fails if the run wrote more meanwhile
        stat = os.statvfs(root)
        used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
        if _remounted(place, f"size={used + left_kb * 1024}"):
            return True
    return False


def read_only(drive: Drive) -> None:
    """Make the lake read-only during a run; then from the start."""
    for stage in ("embeddings", "warmed_model"):
        with drive.scenario(f"read-only, {stage}") as (result, place):
            command, result.when = place.start("read-only"), stage
            command.wait_for(lambda c=command, s=stage: c.has_started(s))
            if not _made_read_only(place.lake.root):
                result.skipped = "no folder can be bound read-only here"
                command.kill()
                continue
            try:
                must_fail(result, command, naming=_READ_ONLY)
            finally:
                unmount(place.lake.root)
            drive.again(result, place)
    with drive.scenario("read-only from the start") as (result, place):
        if not _made_read_only(place.lake.root):
            result.skipped = "no folder can be bound read-only here"
            return
        try:
            must_fail(result, place.run("read-only"), naming=["cannot be written to"], code=2)
        finally:
            unmount(place.lake.root)
        drive.again(result, place)


def _made_read_only(root: Path) -> bool:
    """Bind the folder over itself, read-only: a file system with files open for writing cannot become read-only."""
    if not mounted("--bind", str(root), str(root)):
        return False
    if mounted("-o", "remount,bind,ro", str(root)):
        return True
    unmount(root)
    return False
