"""The places in the lake's own MLflow store, which MLflow writes as absolute paths.

Belongs here: updating them after the lake was moved. Does not: tracking (`tracking.py`), or where runs are tracked
(`tracking_place.py`).
"""

import sqlite3
from contextlib import closing, suppress
from urllib.parse import unquote

from getmore_assets.lake import Lake

_ARTIFACTS = "/mlartifacts"
#: Columns that hold the place of something in the lake: URLs, and paths.
_URLS = (("experiments", "artifact_location"), ("runs", "artifact_uri"))
_PATHS = (("model_versions", "source"), ("model_versions", "storage_location"), ("tags", "value"))


def update_places(lake: Lake) -> None:
    """Replace the root of the lake that the store was written in by the present one, after a lake was moved or copied.

    A store that cannot be read is left to MLflow, which says so.
    """
    with suppress(sqlite3.Error):
        _update(lake)


def _update(lake: Lake) -> None:
    url = (lake.root / "mlartifacts").as_uri().removesuffix(_ARTIFACTS)
    with closing(sqlite3.connect(lake.root / "mlflow.db")) as store, store:
        known = "SELECT artifact_location FROM experiments WHERE artifact_location LIKE ?"
        for (location,) in store.execute(known, (f"file://%{_ARTIFACTS}",)).fetchall():
            before = location.removesuffix(_ARTIFACTS)
            if before == url:
                continue
            pairs = [(_URLS, before, url), (_PATHS, unquote(before.removeprefix("file://")), str(lake.root))]
            for columns, old, new in pairs:
                for table, column in columns:
                    # A path below the old root, or the old root itself; LIKE would take `_` in a path for any letter.
                    store.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - names from above
                        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                        (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
                    )
