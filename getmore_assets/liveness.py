"""Signs of life: how a run says that a process of it lives, to whoever shares its lake.

Belongs here: giving signs for this process or, by a keeper process, for another one, and reading them. Does not: what a
run is, or what is done about a run without signs (`defs/runs.py`). Imports little: a keeper is
`python -m getmore_assets.liveness`.

A process gives its sign under `FOLDER/<run>/`, as two files: a lock that the operating system frees with the process,
and a file whose time is renewed every 15 s. On the machine of the process the lock decides; on others, where a lock may
not be seen (some network file systems), the time does. Files of a process that was killed stay: they are the evidence.
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
_LOOK_S = 1  # whoever looks at a lock holds it for a moment
_LEASE_S = 120  # a heartbeat that is older is no sign of life
_REMEMBERED_S = 24 * 3600  # what runs have left is swept away after this time
_HELD = b"held"


@contextmanager
def signs(folder: Path, run: str, keep_for: int | None = None) -> Iterator[None]:
    """Give signs of life for a run while this block is worked on.

    Args:
        folder: Where the signs of all runs lie.
        run: The id of the run.
        keep_for: A process of this machine that outlives the block and is the run's, too: a keeper process gives signs
            while it lives, between blocks as well.
    """
    _sweep(folder)
    place = folder / run
    place.mkdir(parents=True, exist_ok=True)
    if keep_for is not None and not _is_locked(_lock(place, keep_for)):
        _start_keeper(place, keep_for)
    with _sign(place, os.getpid()):
        yield


def lives(folder: Path, run: str) -> bool | None:
    """Return whether a process of a run gives signs of life: True; False: one was killed; None: nothing tells."""
    locks = sorted((folder / run).glob("*.lock"))
    return any(_is_given(lock) for lock in locks) if locks else None


def folder_of(lake: Path) -> Path:
    """Return where the runs of a lake give their signs."""
    return lake / "locks" / "runs"


def any_was_killed(lake: Path) -> bool:
    """Return whether a run of a lake has left signs, and no process of it lives."""
    folder = folder_of(lake)
    runs = [one.name for one in folder.iterdir()] if folder.is_dir() else []
    return any(lives(folder, run) is False for run in runs)


def silent_for(folder: Path, run: str) -> float | None:
    """Return the seconds since a process of a run began or ended to give signs; None where no process ever did."""
    try:
        return _now(folder) - (folder / run).stat().st_mtime
    except FileNotFoundError:
        return None


def forget(folder: Path, run: str) -> None:
    """Remove the signs of a run that has ended."""
    shutil.rmtree(folder / run, ignore_errors=True)


@contextmanager
def _sign(place: Path, pid: int) -> Iterator[None]:
    lock, done = _lock(place, pid), threading.Event()
    held = FileLock(lock, timeout=_LOOK_S)
    try:
        held.acquire()
    except Timeout:  # a keeper gives signs for this process: `dagster job execute` opens resources again at its end
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
        with suppress(OSError):  # a full disk, or a server that is away for a while
            file.touch()


def _start_keeper(place: Path, pid: int) -> None:
    """Start a process that gives signs for another one, and wait until it does."""
    command = [sys.executable, "-m", "getmore_assets.liveness", str(place), str(pid)]
    keeper = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    keeper.returncode = 0  # nobody waits for it: it outlives this process
    assert keeper.stdout is not None
    with keeper.stdout:  # closed at its end as well as at this word
        keeper.stdout.read(len(_HELD))


def _keep(place: Path, pid: int) -> None:
    """Give signs for a process while it lives. Its files stay: whether it was killed is not known here."""
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
    namespace = Path("/proc/self/ns/pid")  # containers of one machine count their processes apart
    counted = os.stat(namespace).st_ino if namespace.exists() else 0  # noqa: PTH116 - of what the link leads to
    return place / f"{_machine()}-{counted}-{pid}.lock"


def _machine() -> str:
    """Return what tells this machine, until its next start, from others; containers of one machine share its locks."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    name = boot.read_text("ascii") if boot.is_file() else platform.node()
    return hashlib.blake2b(name.encode(), digest_size=6).hexdigest()


def _is_given(lock: Path) -> bool:
    """Return whether the process that gives this sign lives."""
    locked = _is_locked(lock)
    if locked or (locked is False and lock.name.startswith(f"{_machine()}-")):
        return bool(locked)
    with suppress(FileNotFoundError):
        return _now(lock.parent.parent) - lock.with_suffix(".beat").stat().st_mtime < _LEASE_S
    return False


def _is_locked(lock: Path) -> bool | None:
    """Return whether a process holds a lock; None where the file system has none. A file that is gone is not made."""
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
    """Return the time by the clock of the file system, which may be another machine's."""
    probe = folder / f".clock-{os.getpid()}-{threading.get_ident()}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        probe.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what runs have left, those that were killed too, after a while."""
    with suppress(OSError):
        for place in folder.iterdir():
            if time.time() - place.stat().st_mtime > _REMEMBERED_S and not lives(folder, place.name):
                shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), int(sys.argv[2]))
