"""What every verb does: read the task and run a Dagster job in this process.

Belongs here: the options all verbs have, and the instance a job runs on. Does not: a verb, or how it ends (`exits.py`).
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

_NO_TELEMETRY = {"telemetry": {"enabled": False}}  # Dagster's variable for it leaves the banner
_FAILED: list[str] = []  # what stages failed with; Dagster's store may be too full to keep it


class _Failures(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _FAILED.append(record.getMessage())


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")


def verb(command: Any) -> Any:
    """Add the arguments and options that every verb on a task file has."""
    command = json_option(verbosity_options(command))
    command = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(command)
    return click.argument("task", type=click.Path(dir_okay=False), metavar="TASK.yaml")(command)


def log_to_terminal() -> None:
    """Print the library's messages to stderr; those of Dagster and MLflow stay in their stores."""
    root = logging.getLogger()
    root.handlers[:] = [*(one for one in root.handlers if not isinstance(one, Handler)), Handler()]
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
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    import dagster as dg
    from sqlalchemy.exc import SQLAlchemyError

    from getmore_assets.definitions import defs
    from getmore_assets.lake import Lake

    lake = Lake(task.lake)
    try:
        with _turn(lake, task), open_instance(dg, lake) as instance:
            return _run(defs.resolve_job_def(job), instance, path, overrides, task)
    except (SQLAlchemyError, OSError) as error:
        why = str(getattr(error, "orig", error))
        if "malformed" in why or "not a database" in why:
            home = os.environ.get("DAGSTER_HOME")
            fix = f"restore {home} from a back-up, or move it away" if home else f"heal it with: getmore repair {path}"
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
    for left in runs.abandoned_by_commands(instance, task.name, lake):  # it is our turn, so no command works on these
        runs.mark_failed(instance, left, lake)
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
def _turn(lake: "Lake", task: Task) -> Iterator[None]:
    """Hold the lock that lets one command at a time work on a task."""
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
    """Whether the task's lake has the Dagster instance that a job of it runs on."""
    from getmore_assets.lake import Lake

    return not os.environ.get("DAGSTER_HOME") and (Lake(task.lake).root / "dagster").is_dir()


def open_instance(dg: Any, lake: "Lake") -> Any:
    """The Dagster instance at `DAGSTER_HOME`, or one in the lake, which is created by a rename.

    If the lake is read-only, the instance is in memory: commands that only read need no other.
    """
    if os.environ.get("DAGSTER_HOME"):
        return dg.DagsterInstance.get()
    if not lake.is_writable():
        return dg.DagsterInstance.ephemeral()
    place, partial = lake.root / "dagster", lake.root / "dagster.partial"
    with lake.lock("store", "dagster"):
        if not place.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            with dg.DagsterInstance.local_temp(str(partial), overrides=_NO_TELEMETRY):
                pass
            partial.rename(place)
    return dg.DagsterInstance.local_temp(str(place), overrides=_NO_TELEMETRY)
