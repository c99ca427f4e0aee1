"""Workers forked from a warm interpreter, on systems that can fork.

Belongs here: starting the interpreter, requesting a worker, ending the interpreter. Does not: the interpreter's program
(`workers/fork_server.py`), or workers in new processes (`launch.py`).
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from getmore_assets.parents import PARENT


@dataclass(frozen=True)
class Exit:
    """The end of a worker: the exit code (minus the signal of a killed worker), and the peak resident memory in MiB."""

    code: int
    peak_mb: float


class ForkServer:
    """A process that imports the workers' modules once, and forks each worker.

    The server handles one request at a time. When this process's environment changes, a new server is started, because
    some modules read environment variables at import.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._started_with: dict[str, str] = {}

    def run(self, worker: str, spec: Path, result: Path, own: dict[str, str]) -> Exit:
        """Run a worker on a spec.

        Args:
            worker: A module of `getmore_assets.workers`.
            spec: The file with the worker's spec.
            result: The file for the worker's result.
            own: Environment variables to add.
        """
        with self._lock:
            channel = self._ready({**os.environ, **own, PARENT: str(os.getpid())})
            request = {"worker": worker, "spec": str(spec.absolute()), "result": str(result.absolute())}
            try:
                channel.sendall(json.dumps(request).encode() + b"\n")
                line = channel.makefile("r", encoding="utf-8").readline()
            except BaseException:  # such as Ctrl-C: end the server, and with it the worker
                self.end()
                raise
            if line:
                return Exit(**json.loads(line))
            return Exit(self.end() or 1, 0.0)  # the server is gone, usually killed by the system

    def _ready(self, environment: dict[str, str]) -> socket.socket:
        """Return the channel to a server that was started with this environment."""
        is_running = self._process is not None and self._process.poll() is None
        if self._channel is None or not is_running or environment != self._started_with:
            self.end()
            self._channel, theirs = socket.socketpair()
            program = [sys.executable, "-m", "getmore_assets.workers.fork_server", str(theirs.fileno())]
            self._process = subprocess.Popen(program, env=environment, pass_fds=[theirs.fileno()], stderr=STDERR)
            theirs.close()
            self._started_with = environment
        return self._channel

    def end(self) -> int:
        """End the server, and return its exit code."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._process = None


#: The file descriptor for messages of workers; None for stderr of this process.
STDERR: int | None = None
#: A server needs `fork` and `pidfd_open`. On macOS, forking a process that has loaded Apple's frameworks is not safe.
CAN_FORK = sys.platform == "linux" and hasattr(os, "pidfd_open")
SERVER = ForkServer()
atexit.register(SERVER.end)
