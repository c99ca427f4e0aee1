"""MLflow: one run per model materialisation, the model's registration, and the way back.

Belongs here: everything that imports mlflow. Does not: what is worth tracking, which each stage says itself. The
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
    "A run for each model of a task, and one for its scorecard. Under the scorecard's run is a run for each selector, "
    "with its means over the seeds: expand it in the chart view, and each metric has a bar a selector. Below are "
    "runs for each seed."
)
_NUMBER = (int, float)


class TrackingLostError(RuntimeError):
    """The tracking server stopped answering while a run was open."""


def require_usable(lake: Lake, tracking: Tracking = AS_ENVIRONMENT_SAYS) -> str:
    """Open the place where runs are tracked, unless the first run is yet to make it; returns where it is.

    Raises:
        BadInput: It does not answer, lets nobody in, or was made by another version of MLflow.
    """
    require_reachable(tracking)
    uri = tracking.of(lake)
    where = tracking.address or uri
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        return f"{where}, which will be created on the first run"
    _ask_less_often()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except MlflowException as error:
        what = f"cannot be used ({redacted(str(error).splitlines()[0])})"
        raise BadInput(f"MLflow at {where}", what, "Mend it, or name another in MLFLOW_TRACKING_URI") from None
    return where


def _ask_less_often() -> None:
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # 16 s; MLflow's own 7 take four minutes


_PARAMS_A_BATCH = 100  # MLflow takes no more at once


@dataclass
class TrackedRun:
    """An open MLflow run; `server` is the address of the server that has it, empty where it is in a store."""

    client: Any
    id: str
    experiment_id: str
    server: str

    def log_params(self, params: JsonObject) -> None:
        """Settings that are set, nested ones by dotted name; written once."""
        from mlflow.entities import Param

        flat = [Param(name, str(value)[:500]) for name, value in _flat(params)]
        for start in range(0, len(flat), _PARAMS_A_BATCH):
            self.client.log_batch(self.id, params=flat[start : start + _PARAMS_A_BATCH])

    def log_metrics(self, metrics: JsonObject) -> None:
        """Numbers of the whole run; what is no number is left out, and _ stands for what MLflow has in no name."""
        from mlflow.entities import Metric

        stamp = int(time.time() * 1000)
        numbers = {name: value for name, value in metrics.items() if isinstance(value, _NUMBER)}
        rows = [Metric(re.sub(r"[^\w\-. :/]", "_", name), float(value), stamp, 0) for name, value in numbers.items()]
        self.client.log_batch(self.id, metrics=rows)

    def child(self, name: str, note: str, params: JsonObject, metrics: JsonObject) -> "TrackedRun":
        """Add a finished run under this one and return it; `note` describes it on its page, in Markdown."""
        tags = {"mlflow.parentRunId": self.id, "mlflow.note.content": note}
        run = self.client.create_run(self.experiment_id, run_name=name, tags=tags)
        own = TrackedRun(self.client, run.info.run_id, self.experiment_id, self.server)
        own.log_params(params)
        own.log_metrics(metrics)
        self.client.set_terminated(own.id, "FINISHED")
        return own

    def log_curve(self, curve: list[dict[str, float]]) -> None:
        """Losses by step."""
        from mlflow.entities import Metric

        stamp = int(time.time() * 1000)
        rows = [
            Metric(name, value, stamp, int(point["step"]))
            for point in curve
            for name, value in point.items()
            if name != "step"
        ]
        for start in range(0, len(rows), 1000):
            self.client.log_batch(self.id, metrics=rows[start : start + 1000])

    def log_table(self, name: str, table: TableRef) -> None:
        """A Delta table at a version, as an input of the run."""
        from mlflow.data.delta_dataset_source import DeltaDatasetSource
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.entities import DatasetInput, InputTag

        source = DeltaDatasetSource(path=table.path, delta_table_version=table.version)
        data = MetaDataset(source, name=name, digest=f"v{table.version}")
        tags = [InputTag("mlflow.data.context", "input"), InputTag("delta_version", str(table.version))]
        self.client.log_inputs(self.id, datasets=[DatasetInput(data._to_mlflow_entity(), tags)])

    def set_tags(self, tags: dict[str, str]) -> None:
        """Things one searches by."""
        for name, value in tags.items():
            self.client.set_tag(self.id, name, value)

    def log_file(self, path: Path) -> None:
        """A small file, such as a figure."""
        self.client.log_artifact(self.id, str(path))

    def register(self, name: str, folder: Path) -> str:
        """Register the model folder; returns the version.

        In the lake's own store it stays where it is: its name is the hash of what it was made from, so it never changes
        under its version. A server takes only what lies among the run's artifacts, so there it is copied.
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
    """An MLflow run that ends FINISHED, or FAILED where an exception passes.

    A run of the same stage and task that is still open was left by a process that died: it is ended as KILLED.

    Raises:
        BadInput: The tracking server does not answer.
        TrackingLostError: It stopped answering, or the lake's own store can no longer be written to.
    """
    require_reachable(where)
    _ask_less_often()
    from mlflow.exceptions import MlflowException

    try:
        with _open(lake, name, tags, where) as run:
            yield run
    except MlflowException as error:
        said = redacted(str(error))  # MLflow names the address with its login, and errors are kept and shown
        if lost := _lost(said, lake, where):
            raise TrackingLostError(f"{lost}; what was made is kept: mend that and run again to go on") from None
        if said != str(error):
            raise MlflowException(said) from None
        raise


def _lost(said: str, lake: Lake, where: Tracking) -> str | None:
    """What is wrong with the place where runs are tracked, in one line, where that is what MLflow's error means."""
    if "Max retries exceeded" in said:
        return f"MLflow at {where.server} stopped answering"
    store = re.search(r"sqlite3\.\w+\) (.+)", said)
    return f"MLflow's store {lake.root}/mlflow.db cannot be written to ({store[1]})" if store else None


@contextmanager
def _open(lake: Lake, name: str, tags: dict[str, str], where: Tracking) -> Iterator[TrackedRun]:
    from mlflow import MlflowClient

    with lake.lock("store", "mlflow"):  # two tasks may be the first to track in a lake
        if not where.elsewhere:
            _prepare_store(lake)
        client, called = MlflowClient(where.of(lake)), where.experiment_name
        found = client.get_experiment_by_name(called)
        location = None if where.elsewhere else lake.folder("mlartifacts").as_uri()
        described = {"mlflow.note.content": _ABOUT}
        experiment = found.experiment_id if found else client.create_experiment(called, location, described)
    same = " and ".join(f"tags.`{key}` = '{tags[key]}'" for key in ("getmore.station", "getmore.task"))
    for left in client.search_runs([experiment], f"{same} and attributes.status = 'RUNNING'"):
        if left.data.tags.get("getmore.lake") == tags["getmore.lake"]:  # a path may hold what a filter cannot quote
            client.set_terminated(left.info.run_id, "KILLED")
    run = client.create_run(experiment, run_name=name, tags=tags)
    try:
        yield TrackedRun(client, run.info.run_id, experiment, where.server)
        client.set_terminated(run.info.run_id, "FINISHED")
    except BaseException:
        try:
            client.set_terminated(run.info.run_id, "FAILED")
        except Exception as second:  # the next run ends it; what went wrong first is what must be said
            log.warning("MLflow run %s could not be ended: %s", run.info.run_id, redacted(str(second)))
        raise


def _prepare_store(lake: Lake) -> None:
    """Create the lake's own store whole or not at all: if it was cut off half-way, MLflow could never open it again."""
    store, partial = lake.root / "mlflow.db", lake.root / "mlflow.partial.db"
    if store.is_file():
        tracking_store.update_places(lake)
        return
    from mlflow import MlflowClient

    for left in lake.root.glob("mlflow.partial.db*"):
        left.unlink()
    MlflowClient(f"sqlite:///{partial}").search_experiments()
    partial.replace(store)


def _flat(values: JsonObject, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value
