"""The fork server: an interpreter that has imported torch and transformers, from which the workers of a run are forked.

Belongs here: the program that `forks.py` starts, and starting and ending a forked worker. Does not: what a worker does.
The server has one thread and runs no model, so forking is safe, and each worker opens the GPU by itself.
"""

import fcntl
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from getmore_assets import progress
from getmore_assets.parents import end_with
from getmore_assets.workers import answer, entry, see_one_gpu


def serve(channel: socket.socket) -> None:
    """Fork a worker for each request line, and answer with its exit code and peak memory.

    A request is `{"worker": …, "spec": path, "result": path}`; the answer `{"code": …, "peak_mb": …}`, where a negative
    code is the signal that ended the worker. The server ends, and its worker with it, when the other side closes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the worker handles it
    for line in channel.makefile("r", encoding="utf-8"):
        asked = json.loads(line)
        work = None
        try:
            with _ends_with(channel):
                work = entry(asked["worker"])
        except Exception:
            traceback.print_exc()
        gc.freeze()  # otherwise garbage collection in a worker would copy the memory pages of imported modules
        pid = os.fork()
        if pid == 0:
            channel.close()
            _work(work, Path(asked["spec"]), Path(asked["result"]))
        code, peak_mb = _wait(pid, channel)
        channel.sendall(json.dumps({"code": code, "peak_mb": peak_mb}).encode() + b"\n")


@contextmanager
def _ends_with(channel: socket.socket) -> Iterator[None]:
    """End this process by a signal as soon as the launcher closes the channel.

    Importing torch takes seconds, a minute on a busy machine, and blocks the interpreter part of the time: then only
    the kernel can end the process. The launcher sends nothing while it waits, so the signal can only mean a closed
    channel.
    """
    number = channel.fileno()
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    fcntl.fcntl(number, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(number, fcntl.F_SETFL, flags | os.O_ASYNC)  # the default action of SIGIO ends a process
    try:
        if select.select([channel], [], [], 0)[0]:  # closed before the signal was set up
            sys.exit(1)
        yield
    finally:
        fcntl.fcntl(number, fcntl.F_SETFL, flags)


def _wait(pid: int, channel: socket.socket) -> tuple[int, float]:
    """Wait for a worker, and return its exit code and peak memory in MiB; kill it if the launcher ends first."""
    worker = os.pidfd_open(pid)
    ready, _, _ = select.select([worker, channel.fileno()], [], [])
    if worker not in ready:
        os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    os.close(worker)
    if worker not in ready:
        sys.exit(1)
    return os.waitstatus_to_exitcode(status), round(usage.ru_maxrss / 1024, 1)


def _work(work: object, spec: Path, result: Path) -> NoReturn:
    """Do the work in the forked process, and exit as a separate program would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_with(os.getppid())
    see_one_gpu()
    code = 1
    try:
        if callable(work):
            code = answer(work, spec, result)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    logging.basicConfig(level=progress.level(), format="%(message)s", stream=sys.stderr)
    serve(socket.socket(fileno=int(sys.argv[1])))
