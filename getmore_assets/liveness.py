"""Signs of life, by which other processes of a lake see whether a run is alive.

Belongs here: giving signs for this process or, with a keeper process, for another process, and reading signs. Does not:
what happens to a run without signs (`defs/runs.py`). Imports little, because a keeper is
`python -m getmore_assets.liveness`.

A sign is two files under `FOLDER/<run>/`: a lock, which the operating system releases when the process ends, and a
heartbeat file, whose time is renewed every 15 s. On the machine of the process the lock decides. On other machines,
which may not see the lock (some network file systems), the time decides. A killed process leaves both files.
"""

import errno
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

_BEAT_EVERY_S = 15
_LOOK_S = 1  # timeout for a lock: a process that reads a sign holds the lock for a moment
_LEASE_S = 120  # an older heartbeat is no sign of life
_REMEMBERED_S = 24 * 3600  # files of runs are deleted after this time
_HELD = b"held"


@contextmanager
def signs(folder: Path, run: str, keep_for: int | None = None) -> Iterator[None]:
    """Give signs of life for a run during the context.

    Args:
        folder: The folder with the signs of all runs.
        run: The id of the run.
        keep_for: Id of a process of the run on this machine that outlives the context. A keeper process gives signs
            while that process is alive.
    """
    _sweep(folder)
    place = folder / run
    place.mkdir(parents=True, exist_ok=True)
    if keep_for is not None and not _is_locked(_lock(place, keep_for)):
        _start_keeper(place, keep_for)
    with _sign(place, os.getpid()):
        yield


def lives(folder: Path, run: str) -> bool | None:
    """Return whether a run is alive: True if a process gives signs, False if one was killed, None without any sign."""
    locks = sorted((folder / run).glob("*.lock"))
    return any(_is_given(lock) for lock in locks) if locks else None


def folder_of(lake: Path) -> Path:
    """Return the folder with the signs of a lake's runs."""
    return lake / "locks" / "runs"


def any_was_killed(lake: Path) -> bool:
    """Return whether a killed run has left signs in a lake."""
    folder = folder_of(lake)
    runs = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return any(lives(folder, run) is False for run in runs)


def silent_for(folder: Path, run: str) -> float | None:
    """Return the seconds since a process of a run last began or stopped to give signs; None without any sign."""
    try:
        return _now(folder) - (folder / run).stat().st_mtime
    except FileNotFoundError:
        return None


def forget(folder: Path, run: str) -> None:
    """Delete the signs of a run that has ended."""
    shutil.rmtree(folder / run, ignore_errors=True)


@contextmanager
def _sign(place: Path, pid: int) -> Iterator[None]:
    lock, done = _lock(place, pid), threading.Event()
    held = FileLock(lock, timeout=_LOOK_S)
    try:
        held.acquire()
    except Timeout:  # a keeper gives signs for this process, because `dagster job execute` opens resources twice
        yield
        return
    with held:
        with suppress(OSError):
            lock.with_suffix(".beat").touch()
        beat = threading.Thread(target=_beat, args=(lock.with_suffix(".beat"), done), daemon=True)
        beat.start()
        try:
            yield
        finally:
            done.set()
            beat.join()
            lock.with_suffix(".beat").unlink(missing_ok=True)
            lock.unlink(missing_ok=True)


def _beat(file: Path, done: threading.Event) -> None:
    while not done.wait(_BEAT_EVERY_S):
        with suppress(OSError):  # a full disk, or a file server that does not answer for a while
            file.touch()


def _start_keeper(place: Path, pid: int) -> None:
    """Start a keeper process, and wait until it gives signs or ends."""
    command = [sys.executable, "-m", "getmore_assets.liveness", str(place), str(pid)]
    keeper = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    keeper.returncode = 0  # no warning at exit: the keeper outlives this process
    assert keeper.stdout is not None
    with keeper.stdout:
        keeper.stdout.read(len(_HELD))


def _keep(place: Path, pid: int) -> None:
    """Give signs for a process while it is alive. The files stay, because the process may have been killed."""
    with suppress(psutil.NoSuchProcess, Timeout):
        process = psutil.Process(pid)
        lock = _lock(place, pid)
        with FileLock(lock, timeout=_LOOK_S):
            os.write(sys.stdout.fileno(), _HELD)
            beaten = 0.0
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                if time.monotonic() - beaten > _BEAT_EVERY_S:
                    beaten = time.monotonic()
                    with suppress(OSError):
                        lock.with_suffix(".beat").touch()
                time.sleep(0.5)


def _lock(place: Path, pid: int) -> Path:
    namespace = Path("/proc/self/ns/pid")  # each container of a machine has process ids of its own
    inode = os.stat(namespace).st_ino if namespace.exists() else 0  # noqa: PTH116 - of the link's target
    return place / f"{_machine()}-{inode}-{pid}.lock"


def _machine() -> str:
    """Return an id of this machine until its next boot. All containers of a machine have its id, and see its locks."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    name = boot.read_text("ascii") if boot.is_file() else platform.node()
    return hashlib.blake2b(name.encode(), digest_size=6).hexdigest()


def _is_given(lock: Path) -> bool:
    """Return whether the process of a sign is alive."""
    locked = _is_locked(lock)
    if locked or (locked is False and lock.name.startswith(f"{_machine()}-")):
        return bool(locked)
    with suppress(FileNotFoundError):
        return _now(lock.parent.parent) - lock.with_suffix(".beat").stat().st_mtime < _LEASE_S
    return False


def _is_locked(lock: Path) -> bool | None:
    """Return whether a process holds a lock; None if the file system has no locks. A missing file is not created."""
    try:
        file = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return True if error.errno in (errno.EAGAIN, errno.EACCES) else None
    finally:
        os.close(file)
    return False


def _now(folder: Path) -> float:
    """Return the time by the file system's clock, which may be another machine's."""
    probe = folder / f".clock-{os.getpid()}-{threading.get_ident()}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        probe.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Delete the old files of ended and killed runs."""
    with suppress(OSError):
        for place in folder.iterdir():
            if time.time() - place.stat().st_mtime > _REMEMBERED_S and not lives(folder, place.name):
                shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), int(sys.argv[2]))
