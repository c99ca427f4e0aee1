"""Where a worker runs: its own process on this machine, or several, or a pod.

Belongs here: starting a worker, waiting for it, turning its end into a result or an error, and metering a station's
time and memory. Does not: what a worker does, or what a pod is (`pods/`).
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

from getmore_assets import __version__, pods
from getmore_assets.errors import BadInput
from getmore_assets.workers import PARENT, REFUSED

log = logging.getLogger(__name__)

_SAMPLE_EVERY_S = 0.05
_QUIET = {"TOKENIZERS_PARALLELISM": "true", "TRANSFORMERS_VERBOSITY": "error"}
# To glibc, for those that may train: keep what a step gives back for the next. Else each large tensor is fetched from
# the system anew, page by page (benchmarks/README.md, kept_memory).
_KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
_MAY_TRAIN = ("train", "select", "measure")
_SHARED_S = 60  # until what another machine wrote to a volume is seen on this one; NFS says no for so long by default
_GUESSES: dict[int, str] = {signal.SIGKILL: " (out of memory?)", signal.SIGBUS: " (disk full?)"}


class WorkerFailedError(RuntimeError):
    """A worker ended without a result."""


def launch(
    worker: str, spec: dict[str, Any], work: Path, processes: int = 1, pod: pods.Wanted | None = None
) -> dict[str, Any]:
    """Run `getmore_assets.workers.<worker>` with a spec and return its result.

    Args:
        worker: embed, triage, solve, select, train or measure.
        spec: JSON-like.
        work: A folder for the spec, the result and what the worker keeps to go on from.
        processes: How many of it, under torchrun where there are several (of train).
        pod: That it runs in; on this machine without it.

    Raises:
        BadInput: The worker refused its input, or the cluster the pod.
        WorkerFailedError: It crashed or was killed.
    """
    asked, answered = work / "spec.json", work / "result.json"
    answered.unlink(missing_ok=True)
    asked.write_text(json.dumps({"package": __version__, **spec}, indent=1), "utf-8")
    program = ["-m", f"getmore_assets.workers.{worker}", str(asked), str(answered)]
    several = ["-m", "getmore_assets.workers.several", "--standalone", "--nproc-per-node", str(processes)]
    arguments = [*(several if processes > 1 else []), *program]
    if pod:
        ended = pods.run(pod, arguments, settings(worker), processes)
        code, said = ended.code, ended.said
    else:
        code, said = _run_here(arguments, processes, settings(worker)), ""
    if code is None:
        raise WorkerFailedError(f"the {worker} worker {said}")
    if pod and code in (0, REFUSED):
        _wait_for(answered, pod)
    if code == REFUSED:
        raise BadInput(**json.loads(answered.read_text("utf-8")))
    result: dict[str, Any] = json.loads(answered.read_text("utf-8")) if answered.is_file() else {}
    if code < 0:
        guess = _GUESSES.get(-code, "")
        raise WorkerFailedError(f"the {worker} worker was killed by signal {-code}{guess}; run again to go on")
    if code != 0:
        free = shutil.disk_usage(work).free / 2**20
        plain = f"the {worker} worker ended with exit code {code}; {free:,.1f} MiB of disk are free in {work}"
        raise WorkerFailedError(result.get("error", f"{plain}. {said}" if said else plain))
    return result


def settings(worker: str) -> dict[str, str]:
    """The environment of a worker; what this process is told about memory goes on."""
    kept = {name: os.environ.get(name, value) for name, value in _KEEP_MEMORY.items()} if worker in _MAY_TRAIN else {}
    return _QUIET | kept


def _run_here(arguments: list[str], processes: int, own: dict[str, str]) -> int:
    """Run Python on this machine, and return its exit code, or the signal that killed it with a minus."""
    environment = {**os.environ, **own, PARENT: str(os.getpid())}
    if processes > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
        environment.setdefault("GLOO_SOCKET_IFNAME", _loopback())
    return subprocess.run([sys.executable, *arguments], check=False, env=environment).returncode


def _wait_for(answered: Path, pod: pods.Wanted) -> None:
    until = time.monotonic() + _SHARED_S
    while answered.name not in os.listdir(answered.parent):  # noqa: PTH208 - asks the server, where is_file may remember
        if time.monotonic() > until:
            what = f"{pod.place.volume_claim}: the worker ended there, and its result is not in {answered.parent}"
            fix = f"Name the claim of the volume that is mounted at {pod.place.mount_path} on this machine"
            raise BadInput(f"{pod.field}.volume_claim", what, fix)
        time.sleep(1)


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
