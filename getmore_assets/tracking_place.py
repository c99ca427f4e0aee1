"""The place of MLflow's runs (a file in the lake, or a configured server or store), and links to both UIs.

Belongs here: everything about that place that does not need MLflow. Does not: tracking (`tracking.py`).
"""

import os
import platform
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from getmore_assets.errors import BadInput, redacted
from getmore_assets.lake import Lake
from getmore_assets.records import Record

EXPERIMENT = "getmore"  # the default name
OF_A_MIRROR = "the mirror of "  # and the machine's name: default place of the runs of a lake on a store
_PATIENCE_S = 10


@dataclass(frozen=True)
class Tracking:
    """The place of runs.

    Attributes:
        uri: A server or a store; None for `MLFLOW_TRACKING_URI` or else a SQLite file in the lake.
        experiment: The experiment's name; None for `MLFLOW_EXPERIMENT_NAME` or else `getmore`.
    """

    uri: str | None = field(default=None, repr=False)  # may contain a login
    experiment: str | None = None

    @property
    def configured(self) -> str:
        """The configured server or store, with credentials; empty for the file in the lake."""
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI", "")

    @property
    def experiment_name(self) -> str:
        """The name of the experiment."""
        return self.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT

    @property
    def server(self) -> str:
        """The address of the server, without credentials; empty for a store."""
        if not self.configured.startswith(("http://", "https://")):
            return ""
        uri = urlsplit(redacted(self.configured))
        return f"{uri.scheme}://{uri.hostname}{f':{uri.port}' if uri.port else ''}{uri.path}".rstrip("/")

    @property
    def address(self) -> str:
        """The configured server or store, without credentials; empty for the file in the lake."""
        return self.server or redacted(self.configured)

    def recorded(self, lake: Lake) -> str:
        """Return the place as records name it: the address, or the mirror that has the runs of a lake on a store."""
        return self.address or (f"{OF_A_MIRROR}{platform.node()}" if lake.mirror else "")

    def uri_for(self, lake: Lake) -> str:
        """Return the URI for MLflow's client."""
        return self.configured or f"sqlite:///{lake.root / 'mlflow.db'}"


AS_ENVIRONMENT_SAYS = Tracking()


def require_reachable(where: Tracking = AS_ENVIRONMENT_SAYS) -> None:
    """Refuse a tracking server that does not answer.

    Raises:
        BadInput: The message names the server's address without credentials.
    """
    if not (address := where.server):
        return
    name = "tracking_uri" if where.uri else "MLFLOW_TRACKING_URI"
    try:
        with urlopen(f"{address}/health", timeout=_PATIENCE_S):  # noqa: S310 - http or https, see above
            return
    except HTTPError:
        return  # the server answers; MLflow reports a refused login
    except OSError as error:
        why, fix = getattr(error, "reason", error), "Start the server, or unset it to track in a file of the lake"
        raise BadInput(f"{name} {address}", f"does not answer ({why})", fix) from None


def runs_known(lake: Lake, where: Tracking = AS_ENVIRONMENT_SAYS) -> set[str] | None:
    """Return the ids of the runs in the lake's own store; None if runs are tracked elsewhere.

    An unreadable store counts as empty.
    """
    if where.configured:
        return None
    store = lake.root / "mlflow.db"
    if not store.is_file():
        return set()
    try:
        with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as opened:
            return {row[0] for row in opened.execute("SELECT run_uuid FROM runs")}
    except sqlite3.Error:
        return set()


def lost(lake: Lake, records: Iterable[Record], where: Tracking = AS_ENVIRONMENT_SAYS) -> list[Record]:
    """Return the records whose run is missing in the lake's own store.

    Runs that were tracked elsewhere do not count. If runs are tracked elsewhere now, the list is empty.
    """
    known = runs_known(lake, where)
    if known is None:
        return []
    return [one for one in records if one.mlflow_run_id and not one.tracked_at and one.mlflow_run_id not in known]


def run_url(experiment_id: str, run_id: str, server: str = "") -> str:
    """Return the address of a run in MLflow's UI, which is `GETMORE_MLFLOW_UI` or else the server."""
    return f"{_ui('GETMORE_MLFLOW_UI', server or 'http://127.0.0.1:5000')}/#/experiments/{experiment_id}/runs/{run_id}"


def dagster_url(run_id: str) -> str:
    """Return the address of a run in Dagster's UI, which is `GETMORE_DAGSTER_UI` or else port 3000 of this machine."""
    return f"{_ui('GETMORE_DAGSTER_UI', 'http://127.0.0.1:3000')}/runs/{run_id}"


def _ui(variable: str, default: str) -> str:
    """Return the address of a UI without credentials, because links are stored and shown."""
    return redacted(os.environ.get(variable, default)).rstrip("/")
