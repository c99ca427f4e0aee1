"""Scenarios of an MLflow server that is unreachable, or killed during a run.

Belongs here: these scenarios, and the server. Does not: judging (`judge.py`).
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

_PATIENCE = 90.0  # seconds from the first request to MLflow to an error
_WORDS = ("MLflow", "MLFLOW_TRACKING_URI")  # the error must have one of these


def unreachable(drive: Drive) -> None:
    """Set `MLFLOW_TRACKING_URI` to a port that no server listens on."""
    with drive.scenario("MLflow unreachable") as (result, place):
        uri = f"http://127.0.0.1:{free_port(drive.seed)}"
        command = place.start("unreachable", MLFLOW_TRACKING_URI=uri)
        must_fail(result, command, naming=_WORDS)  # before a stage is materialized
        waited = time.monotonic() - command.began
        result.notes.append(f"failed after {waited:.0f} s")
        result.must(waited <= _PATIENCE, f"it failed only after {waited:.0f} s")
        drive.again(result, place)


def killed(drive: Drive) -> None:
    """Kill the server while a stage logs to it; run again with a new server on the same store."""
    for stage in ("base_model", "warmed_model"):
        with drive.scenario(f"MLflow server killed, {stage}") as (result, place):
            port, store = free_port(drive.seed), place.home / "server.db"
            uri = f"http://127.0.0.1:{port}"
            with _server(place.home, port) as server:
                command, result.when = place.start("served", MLFLOW_TRACKING_URI=uri), stage
                command.wait_for(lambda c=command, s=stage: c.has_started(s) and c.workers())
                time.sleep(0.5)
                os.killpg(server.pid, signal.SIGKILL)
                gone = time.monotonic()
                must_fail(result, command, naming=_WORDS)
                waited = time.monotonic() - gone
                result.notes.append(f"ended {waited:.0f} s after the server")
                result.must(waited <= _PATIENCE, f"it failed only after {waited:.0f} s")
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
        _wait_for_server(port)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for_server(port: int) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
