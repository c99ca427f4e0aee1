"""Scenarios that kill the command or its workers.

Belongs here: which process is killed, and when. Does not: judging (`judge.py`).
"""

import os
import signal
import time

import psutil

from tests.drives.drive import Drive, must_fail, note

WITH_WORKERS = (
    "base_model",
    "domain_triage",
    "embeddings",
    "ot_potentials",
    "warmed_model",
    "finetuned_model",
    "scorecard",
)


def of_the_command(drive: Drive, kills: int) -> None:
    """Kill the command at a random time, uniform over the duration of the undisturbed run."""
    draws = drive.random("kills")
    for number in range(kills):
        at = draws.uniform(0, drive.seconds)
        with drive.scenario(f"kill {number}, {at:.1f} s") as (result, place):
            command = place.start("killed")
            while command.running and time.monotonic() - command.began < at:
                time.sleep(0.01)
            ended, result.when = not command.running, command.stage
            left = command.kill()
            note(result, command)
            result.must(not left, f"still there after 2 s: {'; '.join(left)}")
            if ended:
                result.notes.append("it had ended before")
            drive.again(result, place)


def while_a_store_is_made(drive: Drive, kills: int) -> None:
    """Kill the command while Dagster or MLflow creates its databases, which takes many commits."""
    draws = drive.random("stores")
    for store, pattern, longest in (("MLflow", "mlflow*", 2.5), ("Dagster", "dagster*/**/*.db", 0.3)):
        for number in range(kills):
            late = draws.uniform(0, longest)
            with drive.scenario(f"{store} store is made, {number}") as (result, place):
                command, result.when = place.start("killed"), f"{late:.2f} s after its first file"
                command.wait_for(lambda r=place.lake.root, p=pattern: any(r.glob(p)), every=0.002)
                time.sleep(late)
                left = command.kill()
                note(result, command)
                result.must(not left, f"still there after 2 s: {'; '.join(left)}")
                drive.again(result, place)


def of_a_worker(drive: Drive, kills: int) -> None:
    """Kill the worker of a random stage, up to 0.15 s after it began."""
    draws = drive.random("workers")
    for stage in draws.sample(WITH_WORKERS, min(kills, len(WITH_WORKERS))):
        late = draws.uniform(0, 0.15)
        with drive.scenario(f"worker of {stage}") as (result, place):
            command, result.when = place.start("killed"), stage
            command.wait_for(lambda c=command, s=stage: c.has_started(s) and c.workers())
            time.sleep(late)
            for worker in command.workers():
                os.kill(worker.pid, signal.SIGKILL)
            must_fail(result, command, naming=["worker was killed"], code=1)
            drive.again(result, place)


def by_a_signal(drive: Drive) -> None:
    """Send SIGINT to the command and its workers, as Ctrl-C in a terminal does; then SIGTERM to the command alone."""
    for name, send in (("SIGINT to all", signal.SIGINT), ("SIGTERM", signal.SIGTERM)):
        with drive.scenario(name) as (result, place):
            command, result.when = place.start("ended"), "warmed_model"
            command.wait_for(lambda c=command: c.has_started("warmed_model") and c.workers())
            time.sleep(1)
            started = command.process.children(recursive=True)
            if send == signal.SIGINT:
                os.killpg(command.process.pid, send)
            else:
                command.process.send_signal(send)
            note(result, command)
            result.must(result.code not in (0, -9), f"exit code {result.code}")
            _, left = psutil.wait_procs(started, timeout=2)
            result.must(not left, f"still there after 2 s: {left}")
            drive.again(result, place)
