"""Seconds and peak memory of a stage, as the operating system counts them.

Belongs here: time and memory in a materialization record. Does not: a benchmark's own measurements.
"""

import ctypes
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"  # proc(5): resets the peak resident memory to the current one
_UNIT = 2**20 if sys.platform == "darwin" else 2**10  # units of ru_maxrss in a MiB


@dataclass
class Meter:
    """Seconds, and peak resident memory in MiB: of this process, together with a worker while one ran."""

    seconds: float = 0.0
    peak_rss_mb: float = 0.0

    def add_worker(self, peak_mb: float) -> None:
        """Count the peak memory of a worker that has just ended, together with this process's own memory."""
        self.peak_rss_mb = max(self.peak_rss_mb, round(_resident("VmRSS:") + peak_mb, 1))


def give_back() -> None:
    """Give freed memory back to the system, so that it does not count as memory of what runs next (glibc only)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def metered() -> Iterator[Meter]:
    """Measure the time and memory of the context."""
    meter, started = Meter(), time.monotonic()
    give_back()
    with suppress(OSError):
        _CLEAR.write_text(_FORGET_PEAK)
    try:
        yield meter
    finally:
        own = _resident("VmHWM:") + sum(_resident("VmHWM:", helper) for helper in _helpers())
        meter.peak_rss_mb = max(meter.peak_rss_mb, round(own, 1))
        meter.seconds = round(time.monotonic() - started, 2)


def peak_of_children_mb() -> float:
    """Return the peak resident memory, in MiB, of the largest child process that has ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / _UNIT


def _helpers() -> list[str]:
    """Return the ids of the processes with which `parallel.py` shares work."""
    children = psutil.Process().children()
    with suppress(psutil.Error):
        return [str(child.pid) for child in children if any("LokyProcess" in part for part in child.cmdline())]
    return []


def _resident(field: str, process: str = "self") -> float:
    """Return a field of `/proc/PROCESS/status` in MiB; on other systems, the peak of this process since it started."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text("ascii", "replace").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 2**10
    if process != "self":
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNIT
