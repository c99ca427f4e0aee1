"""Where runs are tracked: a file in the lake, or the server or store that is named; and the links to both UIs.

Belongs here: what is known of that place without loading MLflow. Does not: tracking (`tracking.py`).
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

EXPERIMENT = "getmore"  # the experiment that is not named
OF_A_MIRROR = "the mirror of "  # and the machine: where runs of a lake on a store are, unless a place is named
_PATIENCE_S = 10


@dataclass(frozen=True)
class Tracking:
    """Where runs are tracked; MLflow's own environment variables stand in for fields that are None.

    Attributes:
        uri: A server or a store. Without it and without `MLFLOW_TRACKING_URI`: a sqlite file in the lake.
        experiment: The experiment's name. Without it and without `MLFLOW_EXPERIMENT_NAME`: `getmore`.
    """

    uri: str | None = field(default=None, repr=False)  # it may hold a login
    experiment: str | None = None

    @property
    def elsewhere(self) -> str:
        """The server or store that is named; empty where runs are tracked in the lake."""
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI", "")

    @property
    def experiment_name(self) -> str:
        """The name of the experiment."""
        return self.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT

    @property
    def server(self) -> str:
        """The address of the server, without what it may hold of credentials; empty where runs go to a store."""
        if not self.elsewhere.startswith(("http://", "https://")):
            return ""
        uri = urlsplit(redacted(self.elsewhere))
        return f"{uri.scheme}://{uri.hostname}{f':{uri.port}' if uri.port else ''}{uri.path}".rstrip("/")

    @property
    def address(self) -> str:
        """The server or store that is named, without credentials; empty where runs are tracked in the lake."""
        return self.server or redacted(self.elsewhere)

    def recorded(self, lake: Lake) -> str:
        """Return what records say of the place: its address, or, of a lake on a store, whose mirror has the runs."""
        return self.address or (f"{OF_A_MIRROR}{platform.node()}" if lake.mirror else "")

    def of(self, lake: Lake) -> str:
        """Return the URI for the client."""
        return self.elsewhere or f"sqlite:///{lake.root / 'mlflow.db'}"


AS_ENVIRONMENT_SAYS = Tracking()


def require_reachable(where: Tracking = AS_ENVIRONMENT_SAYS) -> None:
    """Refuse a tracking server that does not answer, before work is done that could not be tracked.

    Raises:
        BadInput: With the server's address, without what it may hold of credentials.
    """
    if not (address := where.server):
        return
    name = "tracking_uri" if where.uri else "MLFLOW_TRACKING_URI"
    try:
        with urlopen(f"{address}/health", timeout=_PATIENCE_S):  # noqa: S310 - http or https, looked at above
            return
    except HTTPError:
        return  # it answers; whether it lets us in, MLflow will say
    except OSError as error:
        why, fix = getattr(error, "reason", error), "Start the server, or unset it to track in a file of the lake"
        raise BadInput(f"{name} {address}", f"does not answer ({why})", fix) from None


def runs_known(lake: Lake, where: Tracking = AS_ENVIRONMENT_SAYS) -> set[str] | None:
    """Return the ids of the runs in the lake's own store, asked without loading MLflow; None where it is elsewhere.

    A store that cannot be read knows none.
    """
    if where.elsewhere:
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
    """Return the records whose run the lake's own store should know and does not.

    None where runs are tracked elsewhere now; and none of the runs that were, as their records say.
    """
    known = runs_known(lake, where)
    if known is None:
        return []
    return [one for one in records if one.mlflow_run_id and not one.tracked_at and one.mlflow_run_id not in known]


def run_url(experiment_id: str, run_id: str, server: str = "") -> str:
    """Where MLflow's UI shows a run; `GETMORE_MLFLOW_UI` says where that UI is, if it is not where the server is."""
    return f"{_ui('GETMORE_MLFLOW_UI', server or 'http://127.0.0.1:5000')}/#/experiments/{experiment_id}/runs/{run_id}"


def dagster_url(run_id: str) -> str:
    """Where Dagster's UI shows a run; `GETMORE_DAGSTER_UI` says where that UI is."""
    return f"{_ui('GETMORE_DAGSTER_UI', 'http://127.0.0.1:3000')}/runs/{run_id}"


def _ui(variable: str, default: str) -> str:
    """Where a UI is, without what the address may hold of credentials: links are kept and shown."""
    return redacted(os.environ.get(variable, default)).rstrip("/")
