"""Workers forked from a warm interpreter, on a system that can fork.

Belongs here: starting the interpreter, requesting a worker, ending it. Does not: the interpreter's own program
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

from getmore_assets.workers import PARENT


@dataclass(frozen=True)
class Exit:
    """The end of a worker: its exit code, or minus the signal that killed it, and its peak resident memory in MiB."""

    code: int
    peak_mb: float


class ForkServer:
    """A process that imports the workers' modules once, and forks each worker.

    It handles one request at a time. When the environment of this process changes, a new server is started: a forked
    worker would not see variables that its modules read at import.
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
            spec: The file with the spec.
            result: The file for the result.
            own: Environment variables to add.
        """
        with self._lock:
            channel = self._ready({**os.environ, **own, PARENT: str(os.getpid())})
            asked = {"worker": worker, "spec": str(spec.absolute()), "result": str(result.absolute())}
            try:
                channel.sendall(json.dumps(asked).encode() + b"\n")
                line = channel.makefile("r", encoding="utf-8").readline()
            except BaseException:  # such as Ctrl-C: end the server, and with it the worker
                self.end()
                raise
            if line:
                return Exit(**json.loads(line))
            code = self.end()  # the server is gone, usually killed by the system
            return Exit(code or 1, 0.0)

    def _ready(self, environment: dict[str, str]) -> socket.socket:
        """Return the channel to a server that was started with this environment."""
        going = self._process is not None and self._process.poll() is None
        if self._channel is None or not going or environment != self._started_with:
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
