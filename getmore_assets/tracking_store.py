"""The paths in the lake's own MLflow store, which MLflow writes as absolute paths.

Belongs here: updating these paths after the lake was moved. Does not: tracking (`tracking.py`), or the choice of the
store (`tracking_place.py`).
"""

import sqlite3
from contextlib import closing, suppress
from urllib.parse import unquote

from getmore_assets.lake import Lake

_ARTIFACTS = "/mlartifacts"
#: Columns with URLs, and with paths, of files in the lake.
_URLS = (("experiments", "artifact_location"), ("runs", "artifact_uri"))
_PATHS = (("model_versions", "source"), ("model_versions", "storage_location"), ("tags", "value"))


def update_places(lake: Lake) -> None:
    """Replace the former root of a lake by the present root in the store, after the lake was moved or copied.

    A store that cannot be read is not changed; MLflow reports it.
    """
    with suppress(sqlite3.Error):
        _update(lake)


def _update(lake: Lake) -> None:
    url = (lake.root / "mlartifacts").as_uri().removesuffix(_ARTIFACTS)
    with closing(sqlite3.connect(lake.root / "mlflow.db")) as store, store:
        query = "SELECT artifact_location FROM experiments WHERE artifact_location LIKE ?"
        for (location,) in store.execute(query, (f"file://%{_ARTIFACTS}",)).fetchall():
            before = location.removesuffix(_ARTIFACTS)
            if before == url:
                continue
            pairs = [(_URLS, before, url), (_PATHS, unquote(before.removeprefix("file://")), str(lake.root))]
            for columns, old, new in pairs:
                for table, column in columns:
                    # A path below the old root, or the root itself. Not LIKE: in its patterns `_` matches any letter.
                    store.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - names from above
                        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                        (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
                    )
