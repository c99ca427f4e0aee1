"""Sources that are assets of the project: where their rows lie, at which version.

Belongs here: from an asset's key to a path, by its latest materialization. Does not: reading the rows (`corpus/`).
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
#: The metadata of a materialization that say where the rows lie, the first that is there; and the version of a table.
_PLACES = ("delta_table", "dagster/uri", "path", "uri", "table_uri")
_VERSIONS = ("delta_version", "table_version")


def assets_of(tasks: Iterable[Task]) -> dict[str, list[str]]:
    """Return the assets that tasks name, as keys of `candidates` and `target`, as `build_definitions` takes them."""
    tasks = list(tasks)
    found = {
        "candidates": [source.asset for task in tasks for source in task.candidates],
        "target": [source.asset for task in tasks for source in task.of_target],
    }
    return {name: list(dict.fromkeys(asset for asset in assets if asset)) for name, assets in found.items()}


def located(task: Task, instance: dg.DagsterInstance, load: Mapping[dg.AssetKey, Load] = EMPTY) -> Task:
    """Return a task whose assets have a path and, where they are Delta tables, a version.

    Args:
        task: It stays as it is where it names no asset. An asset that has not been materialized stays as it is, too,
            and is refused where it is read.
        instance: Knows what was materialized.
        load: Loads assets through their IO managers, where a materialization names no place. The rows are then kept in
            the lake, where other stages find them.

    Raises:
        BadInput: An asset has no path, and its IO manager cannot load it or does not return a frame.
    """

    def change(source: Source) -> Source:
        return _located(source, source.asset, Lake(task.lake), instance, load) if source.asset else source

    return task.with_sources(change)


def _located(
    source: Source, asset: str, lake: Lake, instance: dg.DagsterInstance, load: Mapping[dg.AssetKey, Load]
) -> Source:
    key = dg.AssetKey.from_user_string(asset)
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return source
    metadata = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    places = [str(metadata[name]) for name in _PLACES if metadata.get(name)]
    place = next((place for place in places if _can_be_read(place)), None)
    if place is None:
        kept = _kept(key, lake, load.get(key))
        return source.model_copy(update={"path": str(kept)}) if kept.is_file() else source
    versions = (int(str(metadata[name])) for name in _VERSIONS if metadata.get(name) is not None)
    version = next(versions, None) if source.version is None else source.version
    return source.model_copy(update={"path": place} | ({} if version is None else {"version": version}))


def _can_be_read(place: str) -> bool:
    """Return whether rows can lie there; the `path` of Dagster's own IO manager is that of a pickle."""
    here = place.removeprefix("file://")
    return "://" in here or "*" in here or kind_of(Path(here)) is not None or Path(here).is_dir()


def _kept(key: dg.AssetKey, lake: Lake, load: Load | None) -> Path:
    """Return the file in the lake with the rows of an asset that only its IO manager can load."""
    file = lake.root / "upstream" / f"{'__'.join(key.path)}.parquet"
    if load is not None:
        try:
            loaded = load(key)
        except Exception as error:
            what = f"has no metadata that names a place, and its IO manager cannot load it ({error})"
            fix = 'Have it return `dg.MaterializeResult(metadata={"dagster/uri": PATH})`, PATH being its table or file'
            raise BadInput(f"asset {key.to_user_string()}", what, fix) from error
        partial = unfinished(lake.folder("upstream") / file.name)
        as_frame(loaded, f"asset {key.to_user_string()}").write_parquet(partial)
        partial.replace(file)
    return file
