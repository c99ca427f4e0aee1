"""Launching a worker: in a process of its own on this machine, in several, or in a pod.

Belongs here: starting a worker, waiting for it, and turning its exit into a result or an error. Does not: a worker's
work, the interpreter that workers are forked from (`forks.py`), or pods (`pods/`).
"""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from ipaddress import ip_address
from pathlib import Path

import psutil

from getmore_assets import __version__, forks, pods, remote_worker
from getmore_assets.errors import BadInput, WorkerFailedError, WorkerKilledError
from getmore_assets.forks import CAN_FORK, SERVER, Exit
from getmore_assets.metering import Meter, peak_of_children_mb
from getmore_assets.nodes import Nodes
from getmore_assets.parents import PARENT
from getmore_assets.remote_worker import RayNodes
from getmore_assets.workers import REFUSED
from getmore_assets.workers.contracts import Result, Spec, Worker

log = logging.getLogger(__name__)

_QUIET = {"TOKENIZERS_PARALLELISM": "true", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
# For glibc, in workers that train: keep freed memory for the next step. Otherwise each large tensor gets new pages
# from the system (benchmarks/README.md, kept_memory).
_KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
_LOOPBACK = "127.0.0.1"
_SHARED_S = 60  # a file that another machine wrote may appear so late: NFS caches missing names so long by default
_GUESSES: dict[int, str] = {signal.SIGKILL: " (out of memory?)", signal.SIGBUS: " (disk full?)"}


# Signals with which a system ends processes: out of memory (SIGKILL), shutdown or pre-emption (SIGTERM), hang-up.
_BY_THE_SYSTEM = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)


def launch(
    worker: Worker[Spec, Result],
    spec: Spec,
    work: Path,
    processes: int = 1,
    pod: pods.PodRequest | None = None,
    meter: Meter | None = None,
    nodes: Nodes | None = None,
    ray: RayNodes | None = None,
) -> Result:
    """Run a worker with a spec and return its result.

    Args:
        worker: One of `workers.contracts`.
        spec: The worker's spec.
        work: A folder for the spec, the result, and the state from which the worker resumes.
        processes: Number of processes; several (only for train) run under torchrun, so many on each node.
        pod: The pod to run in; None for this machine.
        meter: Counts the worker's peak memory, where it runs on this machine.
        nodes: The machines that share the work (only of train), this one among them; None for this one alone.
        ray: The nodes of a Ray cluster that the worker runs on (several only for train); None for this machine.

    Raises:
        BadInput: The worker refused its input, or the cluster refused the pod.
        WorkerKilledError: The worker was ended from outside.
        WorkerFailedError: The worker crashed.
    """
    asked, answered = work / "spec.json", work / "result.json"
    answered.unlink(missing_ok=True)
    given = {"package": __version__, **spec.given()}
    asked.write_text(json.dumps(given, indent=1), "utf-8")
    name = worker.name
    if pod:
        ended = pods.run(pod, _program(name, asked, answered, processes), settings(name, asked), processes)
        if ended.code is None:
            raise (WorkerKilledError if ended.taken else WorkerFailedError)(f"the {name} worker {ended.said}")
        code, said = ended.code, ended.said
    elif ray:
        code, said = remote_worker.run(ray, name, work, processes, run_here), ""
    else:
        with nodes.called(name, asked, answered, processes) if nodes else nullcontext():
            here = run_here(name, asked, answered, processes, nodes)
        code, said = here.code, ""
        if meter:
            meter.add_worker(here.peak_mb)
    if code in (0, REFUSED) and pod:
        _wait_for(answered, *_told_of(pod))
    if code in (0, REFUSED) and nodes:
        fix = "Have one lake on a file system that all nodes share"
        _wait_for(answered, "launch.train.rdzv_endpoint", f"{nodes.endpoint}: the worker ended there", fix)
    if code == REFUSED:
        raise BadInput(**json.loads(answered.read_text("utf-8")))
    if code < 0:
        guess = _GUESSES.get(-code, "")
        killed = WorkerKilledError if -code in _BY_THE_SYSTEM else WorkerFailedError
        raise killed(f"the {name} worker was killed by signal {-code}{guess}; run again to go on")
    if code != 0:
        free = shutil.disk_usage(work).free / 2**20
        plain = f"the {name} worker ended with exit code {code}; {free:,.1f} MiB of disk are free in {work}"
        failed = json.loads(answered.read_text("utf-8")) if answered.is_file() else {}
        raise WorkerFailedError(failed.get("error", f"{plain}. {said}" if said else plain))
    return worker.result.model_validate_json(answered.read_text("utf-8"))


def settings(worker: str, spec: Path) -> dict[str, str]:
    """Return the environment variables to add for a worker; memory settings of this process's environment are kept."""
    # A selection that trains nothing can do without, and so shares the interpreter of the stages before it.
    trains = worker == "train" or (worker == "select" and json.loads(spec.read_text("utf-8"))["base"] is not None)
    kept = {name: os.environ.get(name, value) for name, value in _KEEP_MEMORY.items()} if trains else {}
    return _QUIET | kept


def run_here(worker: str, spec: Path, result: Path, processes: int, nodes: Nodes | None = None) -> Exit:
    """Run a worker on this machine: one process forked from a warm interpreter, or several new ones under torchrun."""
    if processes == 1 and nodes is None and CAN_FORK:
        return SERVER.run(worker, spec, result, settings(worker, spec))
    address = nodes.address if nodes else _LOOPBACK if processes > 1 else None
    return _run_anew(_program(worker, spec, result, processes, nodes), processes, settings(worker, spec), address)


def _program(worker: str, spec: Path, result: Path, processes: int, nodes: Nodes | None = None) -> list[str]:
    """Return the arguments to Python that start a worker."""
    program = ["-m", f"getmore_assets.workers.{worker}", str(spec), str(result)]
    if processes == 1 and nodes is None:
        return program
    where = nodes.arguments(result) if nodes else ["--standalone"]
    return ["-m", "getmore_assets.workers.torchrun_entry", *where, "--nproc-per-node", str(processes), *program]


def _run_anew(arguments: list[str], processes: int, own: dict[str, str], address: str | None = None) -> Exit:
    """Run a new Python process. With several processes, the peak memory is that of the largest, times their number.

    `address` is this machine's address for the other processes. Without it, gloo takes the address of the machine's
    name, which other machines may not reach.
    """
    environment = {**os.environ, **own, PARENT: str(os.getpid())}
    if processes > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    if address and (interface := _interface(address)):
        environment.setdefault("GLOO_SOCKET_IFNAME", interface)
    code = subprocess.run([sys.executable, *arguments], check=False, env=environment, stderr=forks.STDERR).returncode
    return Exit(code, peak_of_children_mb() * processes)


def _wait_for(answered: Path, where: str, what: str, fix: str) -> None:
    """Wait until a result that was written elsewhere is seen here."""
    until = time.monotonic() + _SHARED_S
    while answered.name not in os.listdir(answered.parent):  # noqa: PTH208 - asks the file server; is_file may be cached
        if time.monotonic() > until:
            raise BadInput(where, f"{what}, and its result is not in {answered.parent}", fix)
        time.sleep(1)


def _told_of(pod: pods.PodRequest) -> tuple[str, str, str]:
    fix = f"Name the claim of the volume that is mounted at {pod.place.mount_path} on this machine"
    return f"{pod.field}.volume_claim", f"{pod.place.volume_claim}: the worker ended there", fix


def _interface(address: str) -> str | None:
    """Return the name of the network interface with an address of this machine; None if no interface has it."""
    wanted = _LOOPBACK if ip_address(address).is_loopback else address
    found = psutil.net_if_addrs().items()
    return next((name for name, addresses in found if any(one.address == wanted for one in addresses)), None)
