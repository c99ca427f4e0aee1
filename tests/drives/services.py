"""Faults of MLflow: not there, and killed in the middle.

Belongs here: a server to kill. Does not: judging (`judge.py`).
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.drives.command import free_port
from tests.drives.drive import Drive, must_fail

_PATIENCE = 90.0  # seconds from the first need of MLflow to an error
_SAYS = ("MLflow", "MLFLOW_TRACKING_URI")


def unreachable(drive: Drive) -> None:
    """`MLFLOW_TRACKING_URI` names a port where nothing listens."""
    with drive.scenario("MLflow unreachable") as (result, place):
        uri = f"http://127.0.0.1:{free_port(drive.seed)}"
        command = place.start("unreachable", MLFLOW_TRACKING_URI=uri)
        must_fail(result, command, naming=_SAYS)  # before anything is made
        waited = time.monotonic() - command.began
        result.notes.append(f"said so after {waited:.0f} s")
        result.must(waited <= _PATIENCE, f"it took {waited:.0f} s to say so")
        drive.again(result, place)


def killed(drive: Drive) -> None:
    """A server is killed while a stage that logs to it works; a new one on the same store serves the rerun."""
    for stage in ("base_model", "warmed_model"):
        with drive.scenario(f"MLflow server killed, {stage}") as (result, place):
            port, store = free_port(drive.seed), place.home / "server.db"
            uri = f"http://127.0.0.1:{port}"
            with _server(place.home, port) as server:
                command, result.when = place.start("served", MLFLOW_TRACKING_URI=uri), stage
                command.reach(lambda c=command, s=stage: c.makes(s) and c.workers())
                time.sleep(0.5)
                os.killpg(server.pid, signal.SIGKILL)
                gone = time.monotonic()
                must_fail(result, command, naming=_SAYS)
                waited = time.monotonic() - gone
                result.notes.append(f"ended {waited:.0f} s after the server")
                result.must(waited <= _PATIENCE, f"it took {waited:.0f} s to say so")
            with _server(place.home, port):
                drive.again(result, place, mlflow=store, MLFLOW_TRACKING_URI=uri)


@contextmanager
def _server(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home / 'server.db'}"]
    command += ["--default-artifact-root", (home / "artifacts").as_uri()]
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _answers(port)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
