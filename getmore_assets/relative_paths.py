"""Places in records: relative to the lake's root in files, absolute in memory.

Belongs here: finding the places in a record or a stage's result, and converting them both ways. Does not: what a record
means (`records.py`).

A lake can therefore be moved, copied, and mounted elsewhere. Records of earlier versions name absolute places: the last
parts of such a place say where the same file or table lies in the lake that is read.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from getmore_assets.json_models import JsonObject

_HERE = "."  # the lake itself
_TABLE_TAG = "table."  # prefix of the tags of a lineage that name a table: `path@vVERSION`
#: The number of parts of a place, from the folder of the lake on, by that folder.
_PARTS = {"tables": 2, "models": 3, "exports": 3, "figures": 3}


def relative(raw: JsonObject, root: Path) -> JsonObject:
    """Return a record or result, as JSON, whose places inside a lake are relative to the lake's root."""

    def convert(place: str) -> str:
        path = Path(place)
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else place

    return _converted(raw, convert, _HERE)


def absolute(raw: JsonObject, root: Path) -> JsonObject:
    """Return a record or result, as JSON, whose places are absolute, in the lake at `root`."""

    def convert(place: str) -> str:
        path = Path(place)
        if not path.is_absolute():
            return str(root / path)
        inside = next((path.parts[-n:] for folder, n in _PARTS.items() if path.parts[-n : 1 - n] == (folder,)), None)
        return place if inside is None or path.is_relative_to(root) else str(root.joinpath(*inside))

    return _converted(raw, convert, str(root))


def _converted(raw: JsonObject, convert: Callable[[str], str], lake: str) -> JsonObject:
    """Return a copy with its places converted: tables, folders, figures, and the task's `lake`."""
    found = dict(raw)
    for name in ("folders", "figures"):
        if isinstance(raw.get(name), dict):
            found[name] = {key: convert(place) for key, place in raw[name].items()}
    for name in ("table", "facts"):
        if raw.get(name):
            found[name] = _tables(raw[name], convert)
    if raw.get("lineage"):
        found["lineage"] = {name: _tag(name, value, convert) for name, value in raw["lineage"].items()}
    if "lake" in (raw.get("settings") or {}):
        found["settings"] = {**raw["settings"], "lake": lake}
    return found


def _tables(value: Any, convert: Callable[[str], str]) -> Any:
    """Return JSON with the path of each table in it converted; a table is an object of `path` and `version`."""
    if isinstance(value, list):
        return [_tables(one, convert) for one in value] if any(isinstance(one, dict | list) for one in value) else value
    if not isinstance(value, dict):
        return value
    if value.keys() == {"path", "version"}:
        return {**value, "path": convert(value["path"])}
    return {name: _tables(one, convert) for name, one in value.items()}


def _tag(name: str, value: str, convert: Callable[[str], str]) -> str:
    if not name.startswith(_TABLE_TAG):
        return value
    path, at, version = value.rpartition("@v")
    return f"{convert(path)}{at}{version}"
