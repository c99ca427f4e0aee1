"""Running a Dagster job in this process, and the options that all commands have.

Belongs here: common options, logging, the Dagster instance. Does not: a command, or its exit codes (`exits.py`).
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from getmore_assets.cli.exits import StoreLostError
from getmore_assets.cli.live import VERBOSE, Handler, verbosity, verbosity_options
from getmore_assets.config import Task
from getmore_assets.errors import redacted

if TYPE_CHECKING:
    from getmore_assets.lake import Lake

_NO_TELEMETRY = {"telemetry": {"enabled": False}}  # Dagster's environment variable does not remove the banner
_FAILED: list[str] = []  # error messages of stages, which Dagster's store cannot keep on a full disk


class _Failures(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _FAILED.append(record.getMessage())


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")


def task_command(command: Any) -> Any:
    """Add the arguments and options of a command on a task file."""
    command = json_option(verbosity_options(command))
    command = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(command)
    return click.argument("task", type=click.Path(dir_okay=False), metavar="TASK.yaml")(command)


def log_to_terminal() -> None:
    """Print the library's log messages to stderr; messages of Dagster and MLflow stay in their stores."""
    root = logging.getLogger()
    root.handlers[:] = [*(handler for handler in root.handlers if not isinstance(handler, Handler)), Handler()]
    ours = logging.getLogger("getmore_assets")
    ours.setLevel(logging.DEBUG if verbosity() == VERBOSE else logging.INFO)
    ours.handlers[:] = [_Failures(logging.ERROR)]
    _FAILED.clear()
    for noisy in ("mlflow", "alembic", "mlflow.store.db.utils"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def execute(job: str, path: str, overrides: tuple[str, ...], task: Task) -> list[Any]:
    """Run a job in this process, on the instance that `make dev` shows, and return its Dagster events.

    Raises:
        StoreLostError: Dagster's store cannot be written to, usually because the disk is full or read-only.
    """
    import dagster as dg
    from sqlalchemy.exc import SQLAlchemyError

    from getmore_assets.definitions import defs
    from getmore_assets.lake import Lake

    lake = Lake(task.lake)
    try:
        with _command_lock(lake, task), open_instance(dg, lake) as instance:
            return _run(defs.resolve_job_def(job), instance, path, overrides, task)
    except (SQLAlchemyError, OSError) as error:
        why = str(getattr(error, "orig", error))
        if "malformed" in why or "not a database" in why:
            home = os.environ.get("DAGSTER_HOME")
            fix = f"restore {home} from a back-up, or move it away" if home else f"run: getmore repair {path}"
            raise StoreLostError(
                f"Dagster's store in {home or lake.root / 'dagster'} is damaged ({why}): {fix}"
            ) from error
        free = shutil.disk_usage(lake.root).free / 2**20
        what = f"the lake {lake.address} can no longer be written to ({why}; {free:,.0f} MiB free)"
        failed = "".join(f"{message}; " for message in _FAILED)
        raise StoreLostError(f"{failed}{what}: free space or make it writable, then run again to go on") from error


def _run(job: Any, instance: Any, path: str, overrides: tuple[str, ...], task: Task) -> list[Any]:
    from getmore_assets.defs import runs
    from getmore_assets.lake import Lake

    if not instance.has_dynamic_partition("target", task.name):
        instance.add_dynamic_partitions("target", [task.name])
    lake = Lake(task.lake)
    for abandoned in runs.abandoned_by_commands(instance, task.name, lake):
        runs.mark_failed(instance, abandoned, lake)
    resource = {"config": {"task_file": str(Path(path).absolute()), "overrides": list(overrides)}}
    result = job.execute_in_process(
        instance=instance,
        partition_key=task.name,
        raise_on_error=False,
        tags={
            runs.OF_A_COMMAND: path,
            runs.LAKE: lake.address,
            **({runs.CHANGES: redacted(" ".join(overrides))} if overrides else {}),
        },
        run_config={"resources": {"getmore": resource}, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return list(result.all_events)


@contextmanager
def _command_lock(lake: "Lake", task: Task) -> Iterator[None]:
    """Hold the lock of commands on a task; wait while another command holds it."""
    from filelock import Timeout

    lock = lake.lock("command", task.name)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        click.echo(f"another command works on {task.name}: waiting for it to end", err=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def has_own_instance(task: Task) -> bool:
    """Return whether jobs run on a Dagster instance in the task's lake, and this instance exists."""
    from getmore_assets.lake import Lake

    return not os.environ.get("DAGSTER_HOME") and (Lake(task.lake).root / "dagster").is_dir()


def open_instance(dg: Any, lake: "Lake") -> Any:
    """Return the Dagster instance at `DAGSTER_HOME`, or the instance in the lake, which is created if missing.

    In a read-only lake, return an instance in memory, which suffices for commands that only read.
    """
    if os.environ.get("DAGSTER_HOME"):
        return dg.DagsterInstance.get()
    if not lake.is_writable():
        return dg.DagsterInstance.ephemeral()
    folder, partial = lake.root / "dagster", lake.root / "dagster.partial"
    with lake.lock("store", "dagster"):
        if not folder.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            with dg.DagsterInstance.local_temp(str(partial), overrides=_NO_TELEMETRY):
                pass
            partial.rename(folder)
    return dg.DagsterInstance.local_temp(str(folder), overrides=_NO_TELEMETRY)
