"""Tracking with MLflow: a run for each materialization of a model, and the model's registration.

Belongs here: everything that imports mlflow. Does not: the choice of params and metrics, which is each stage's. The
client is used without MLflow's global state, so that stages in one process cannot end each other's runs.
"""

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from getmore_assets import tracking_store
from getmore_assets.errors import BadInput, redacted
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake, TableRef
from getmore_assets.tracking_place import AS_ENVIRONMENT_SAYS, Tracking, require_reachable

log = logging.getLogger(__name__)

_ABOUT = (
    "Each model of a task has a run, and so has the scorecard. The scorecard's run has a child run for each selector, "
    "with means over the seeds: expand it in the chart view to see each metric with one bar per selector. These have "
    "child runs for each seed."
)
_NUMBER = (int, float)


class TrackingLostError(RuntimeError):
    """Raised when the tracking server stops answering while a run is open."""


def require_usable(lake: Lake, tracking: Tracking = AS_ENVIRONMENT_SAYS) -> str:
    """Check the server or store of runs, and return its address. A store that does not exist yet is usable.

    Raises:
        BadInput: The server does not answer or refuses the login, or the store has another version of MLflow.
    """
    require_reachable(tracking)
    uri = tracking.uri_for(lake)
    where = tracking.address or uri
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        return f"{where}, which will be created on the first run"
    _limit_retries()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except MlflowException as error:
        what = f"cannot be used ({redacted(str(error).splitlines()[0])})"
        raise BadInput(f"MLflow at {where}", what, "Correct it, or set MLFLOW_TRACKING_URI to another") from None
    return where


def _limit_retries() -> None:
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # 16 s; MLflow's default of 7 takes four minutes


_PARAMS_PER_BATCH, _METRICS_PER_BATCH = 100, 1000  # MLflow's limits


@dataclass
class TrackedRun:
    """An open MLflow run; `server` is the server's address, empty for a run in a store."""

    client: Any
    id: str
    experiment_id: str
    server: str

    def log_params(self, params: JsonObject) -> None:
        """Log settings, nested ones by dotted name, without those that are None."""
        from mlflow.entities import Param

        flat = [Param(name, str(value)[:500]) for name, value in _flat(params)]
        for start in range(0, len(flat), _PARAMS_PER_BATCH):
            self.client.log_batch(self.id, params=flat[start : start + _PARAMS_PER_BATCH])

    def log_metrics(self, metrics: JsonObject) -> None:
        """Log the numbers of a run; other values are left out. In names _ replaces characters that MLflow refuses."""
        from mlflow.entities import Metric

        stamp = int(time.time() * 1000)
        numbers = {name: value for name, value in metrics.items() if isinstance(value, _NUMBER)}
        rows = [Metric(re.sub(r"[^\w\-. :/]", "_", name), float(value), stamp, 0) for name, value in numbers.items()]
        self.client.log_batch(self.id, metrics=rows)

    def child(self, name: str, note: str, params: JsonObject, metrics: JsonObject) -> "TrackedRun":
        """Add a finished child run and return it; `note` is the description of the child, in Markdown."""
        tags = {"mlflow.parentRunId": self.id, "mlflow.note.content": note}
        run = self.client.create_run(self.experiment_id, run_name=name, tags=tags)
        child = TrackedRun(self.client, run.info.run_id, self.experiment_id, self.server)
        child.log_params(params)
        child.log_metrics(metrics)
        self.client.set_terminated(child.id, "FINISHED")
        return child

    def log_curve(self, curve: list[dict[str, float]]) -> None:
        """Log losses by step."""
        from mlflow.entities import Metric

        stamp = int(time.time() * 1000)
        rows = [
            Metric(name, value, stamp, int(point["step"]))
            for point in curve
            for name, value in point.items()
            if name != "step"
        ]
        for start in range(0, len(rows), _METRICS_PER_BATCH):
            self.client.log_batch(self.id, metrics=rows[start : start + _METRICS_PER_BATCH])

    def log_table(self, name: str, table: TableRef) -> None:
        """Log a version of a Delta table as an input of the run."""
        from mlflow.data.delta_dataset_source import DeltaDatasetSource
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.entities import DatasetInput, InputTag

        source = DeltaDatasetSource(path=table.path, delta_table_version=table.version)
        data = MetaDataset(source, name=name, digest=f"v{table.version}")
        tags = [InputTag("mlflow.data.context", "input"), InputTag("delta_version", str(table.version))]
        self.client.log_inputs(self.id, datasets=[DatasetInput(data._to_mlflow_entity(), tags)])

    def set_tags(self, tags: dict[str, str]) -> None:
        """Set tags, by which runs are searched."""
        for name, value in tags.items():
            self.client.set_tag(self.id, name, value)

    def log_file(self, path: Path) -> None:
        """Log a small file, such as a figure."""
        self.client.log_artifact(self.id, str(path))

    def register(self, name: str, folder: Path) -> str:
        """Register a model folder, and return the version.

        The lake's own store refers to the folder, whose content never changes because its name is the hash of its
        inputs. A server accepts only artifacts of the run, so the folder is copied there.
        """
        from mlflow.exceptions import MlflowException

        source = str(folder)
        if self.server:
            self.client.log_artifacts(self.id, source, "model")
            source = f"{self.client.get_run(self.id).info.artifact_uri}/model"
        try:
            self.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return str(self.client.create_model_version(name, source=source, run_id=self.id).version)


@contextmanager
def tracked(lake: Lake, name: str, tags: dict[str, str], where: Tracking = AS_ENVIRONMENT_SAYS) -> Iterator[TrackedRun]:
    """Open an MLflow run, which ends FINISHED, or FAILED after an exception.

    A run of the same stage and task that is still open was left by a process that died, so it is ended as KILLED.

    Raises:
        BadInput: The tracking server does not answer.
        TrackingLostError: The server stopped answering, or the lake's own store can no longer be written to.
    """
    require_reachable(where)
    _limit_retries()
    from mlflow.exceptions import MlflowException

    try:
        with _open(lake, name, tags, where) as run:
            yield run
    except MlflowException as error:
        message = redacted(str(error))  # MLflow's messages contain logins, and Dagster stores and shows them
        if lost := _lost(message, lake, where):
            raise TrackingLostError(f"{lost}; results so far are kept: correct that and run again to go on") from None
        if message != str(error):
            raise MlflowException(message) from None
        raise


def _lost(message: str, lake: Lake, where: Tracking) -> str | None:
    """Return what is wrong with the server or store of runs, if an error of MLflow means that; else None."""
    if "Max retries exceeded" in message:
        return f"MLflow at {where.server} stopped answering"
    store = re.search(r"sqlite3\.\w+\) (.+)", message)
    return f"MLflow's store {lake.root}/mlflow.db cannot be written to ({store[1]})" if store else None


@contextmanager
def _open(lake: Lake, name: str, tags: dict[str, str], where: Tracking) -> Iterator[TrackedRun]:
    from mlflow import MlflowClient

    with lake.lock("store", "mlflow"):  # two tasks may be the first to track in a lake
        if not where.configured:
            _prepare_store(lake)
        client, title = MlflowClient(where.uri_for(lake)), where.experiment_name
        existing = client.get_experiment_by_name(title)
        location = None if where.configured else lake.folder("mlartifacts").as_uri()
        note = {"mlflow.note.content": _ABOUT}
        experiment = existing.experiment_id if existing else client.create_experiment(title, location, note)
    same = " and ".join(f"tags.`{key}` = '{tags[key]}'" for key in ("getmore.station", "getmore.task"))
    for run in client.search_runs([experiment], f"{same} and attributes.status = 'RUNNING'"):
        if run.data.tags.get("getmore.lake") == tags["getmore.lake"]:  # a filter cannot quote every path
            client.set_terminated(run.info.run_id, "KILLED")
    run = client.create_run(experiment, run_name=name, tags=tags)
    try:
        yield TrackedRun(client, run.info.run_id, experiment, where.server)
        client.set_terminated(run.info.run_id, "FINISHED")
    except BaseException:
        try:
            client.set_terminated(run.info.run_id, "FAILED")
        except Exception as second:  # the next run ends this one; the first error is raised
            log.warning("MLflow run %s could not be ended: %s", run.info.run_id, redacted(str(second)))
        raise


def _prepare_store(lake: Lake) -> None:
    """Update the paths in the lake's own store, or create the store by a rename: MLflow cannot open half a store."""
    store, partial = lake.root / "mlflow.db", lake.root / "mlflow.partial.db"
    if store.is_file():
        tracking_store.update_places(lake)
        return
    from mlflow import MlflowClient

    for file in lake.root.glob("mlflow.partial.db*"):
        file.unlink()
    MlflowClient(f"sqlite:///{partial}").search_experiments()
    partial.replace(store)


def _flat(values: JsonObject, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value
