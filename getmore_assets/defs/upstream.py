"""Sources that are assets of the project.

Belongs here: finding the path and version of an asset's latest materialization. Does not: reading rows (`corpus/`).
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from getmore_assets.config import Source, Task
from getmore_assets.corpus.formats import kind_of
from getmore_assets.corpus.tabular import as_frame
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, unfinished

Load = Callable[[dg.AssetKey], Any]
EMPTY: Mapping[dg.AssetKey, Load] = {}
#: Metadata keys of the path of a materialization's rows, and of the table's version, each in order of preference.
_PATHS = ("delta_table", "dagster/uri", "path", "uri", "table_uri")
_VERSIONS = ("delta_version", "table_version")


def assets_of(tasks: Iterable[Task]) -> dict[str, list[str]]:
    """Return the keys of the assets that tasks name as `candidates` and as `target`."""
    tasks = list(tasks)
    assets = {
        "candidates": [source.asset for task in tasks for source in task.candidates],
        "target": [source.asset for task in tasks for source in task.of_target],
    }
    return {name: list(dict.fromkeys(asset for asset in named if asset)) for name, named in assets.items()}


def resolve_sources(task: Task, instance: dg.DagsterInstance, load: Mapping[dg.AssetKey, Load] = EMPTY) -> Task:
    """Return the task with the path and, for Delta tables, the version of each source that is an asset.

    A source whose asset has not been materialized is unchanged; reading it raises an error later.

    Args:
        task: The task.
        instance: The Dagster instance.
        load: Functions that load assets through their IO managers, for materializations without a path. The loaded rows
            are written to a file in the lake, which the other stages read.

    Raises:
        BadInput: An asset has no path, and its IO manager cannot load it or does not return a frame.
    """

    def change(source: Source) -> Source:
        return _resolve(source, source.asset, Lake(task.lake), instance, load) if source.asset else source

    return task.with_sources(change)


def _resolve(
    source: Source, asset: str, lake: Lake, instance: dg.DagsterInstance, load: Mapping[dg.AssetKey, Load]
) -> Source:
    key = dg.AssetKey.from_user_string(asset)
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return source
    metadata = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    paths = [str(metadata[name]) for name in _PATHS if metadata.get(name)]
    path = next((path for path in paths if _can_be_read(path)), None)
    if path is None:
        copy = _copy_in_lake(key, lake, load.get(key))
        return source.model_copy(update={"path": str(copy)}) if copy.is_file() else source
    versions = (int(str(metadata[name])) for name in _VERSIONS if metadata.get(name) is not None)
    version = next(versions, None) if source.version is None else source.version
    return source.model_copy(update={"path": path} | ({} if version is None else {"version": version}))


def _can_be_read(path: str) -> bool:
    """Return whether a path may hold rows; Dagster's default IO manager gives the path of a pickle."""
    local = path.removeprefix("file://")
    return "://" in local or "*" in local or kind_of(Path(local)) is not None or Path(local).is_dir()


def _copy_in_lake(key: dg.AssetKey, lake: Lake, load: Load | None) -> Path:
    """Return the file in the lake with the rows of an asset; write the file if `load` is given."""
    file = lake.root / "upstream" / f"{'__'.join(key.path)}.parquet"
    if load is not None:
        try:
            loaded = load(key)
        except Exception as error:
            what = f"has no metadata that names a path, and its IO manager cannot load it ({error})"
            fix = 'Have it return `dg.MaterializeResult(metadata={"dagster/uri": PATH})`, PATH being its table or file'
            raise BadInput(f"asset {key.to_user_string()}", what, fix) from error
        partial = unfinished(lake.folder("upstream") / file.name)
        as_frame(loaded, f"asset {key.to_user_string()}").write_parquet(partial)
        partial.replace(file)
    return file
