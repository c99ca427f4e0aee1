"""Where a worker runs: its own process on this machine, or several.

Belongs here: starting a worker, waiting for it, turning its end into a result or an error, and metering a station's
time and memory. Does not: what a worker does.
"""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from getmore_assets.errors import BadInput
from getmore_assets.workers import PARENT, REFUSED

log = logging.getLogger(__name__)

_SAMPLE_EVERY_S = 0.05
_GUESSES: dict[int, str] = {signal.SIGKILL: " (out of memory?)", signal.SIGBUS: " (disk full?)"}


class WorkerFailedError(RuntimeError):
    """A worker ended without a result."""


def launch(worker: str, spec: dict[str, Any], work: Path, processes: int = 1) -> dict[str, Any]:
    """Run `getmore_assets.workers.<worker>` with a spec and return its result.

    Args:
        worker: embed, triage, solve, select, train or measure.
        spec: JSON-like.
        work: A folder for the spec, the result and what the worker keeps to go on from.
        processes: How many of it, under torchrun where there are several (of train).

    Raises:
        BadInput: The worker refused its input.
        WorkerFailedError: It crashed or was killed.
    """
    asked, answered = work / "spec.json", work / "result.json"
    answered.unlink(missing_ok=True)
    asked.write_text(json.dumps(spec, indent=1), "utf-8")
    program = ["-m", f"getmore_assets.workers.{worker}", str(asked), str(answered)]
    several = ["-m", "getmore_assets.workers.several", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(several if processes > 1 else []), *program]
    environment = {
        **os.environ,
        "TOKENIZERS_PARALLELISM": "true",
        "TRANSFORMERS_VERBOSITY": "error",
        PARENT: str(os.getpid()),
    }
    if processes > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
        environment.setdefault("GLOO_SOCKET_IFNAME", _loopback())
    code = subprocess.run(command, check=False, env=environment).returncode
    if code == REFUSED:
        raise BadInput(**json.loads(answered.read_text("utf-8")))
    result: dict[str, Any] = json.loads(answered.read_text("utf-8")) if answered.is_file() else {}
    if code < 0:
        guess = _GUESSES.get(-code, "")
        raise WorkerFailedError(f"the {worker} worker was killed by signal {-code}{guess}; run again to go on")
    if code != 0:
        free = shutil.disk_usage(work).free / 2**20
        plain = f"the {worker} worker ended with exit code {code}; {free:,.1f} MiB of disk are free in {work}"
        raise WorkerFailedError(result.get("error", plain))
    return result


def _loopback() -> str:
    """The network interface that leads nowhere but to this machine."""
    found = psutil.net_if_addrs().items()
    return next(name for name, addresses in found if any(one.address == "127.0.0.1" for one in addresses))


@dataclass
class Meter:
    """Seconds, and the highest resident memory of this process and its children together, in MiB."""

    seconds: float = 0.0
    peak_rss_mb: float = 0.0


@contextmanager
def metered() -> Iterator[Meter]:
    """Measure a station."""
    meter, done = Meter(), threading.Event()
    started = time.monotonic()
    watcher = threading.Thread(target=_watch, args=(meter, done), daemon=True)
    watcher.start()
    try:
        yield meter
    finally:
        done.set()
        watcher.join()
        meter.seconds = round(time.monotonic() - started, 2)


def _watch(meter: Meter, done: threading.Event) -> None:
    me = psutil.Process()
    while True:
        total = 0
        for process in [me, *me.children(recursive=True)]:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        meter.peak_rss_mb = max(meter.peak_rss_mb, round(total / 2**20, 1))
        if done.wait(_SAMPLE_EVERY_S):
            return
