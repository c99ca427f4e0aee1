"""Paths in records: relative to the lake's root in files, absolute in memory.

Belongs here: converting the paths in a record or a stage's result both ways. Does not: the other fields of a record
(`records.py`).

So a lake can be moved, copied, and mounted elsewhere. Records of earlier versions contain absolute paths: the last
parts of such a path name the file or table in the present lake.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake

_HERE = "."  # the lake itself
_TABLE_TAG = "table."  # prefix of the tags of a lineage that name a table: `path@vVERSION`
#: By folder of the lake, the number of parts of a path that starts with this folder.
_PARTS = {"tables": 2, "models": 3, "exports": 3, "figures": 3}


def relative(raw: JsonObject, lake: Lake) -> JsonObject:
    """Return a record or result, as JSON, with the paths inside a lake made relative to the lake's root."""

    def convert(place: str) -> str:
        return next(iter(lake.named(place)), place)

    def convert_table(place: str) -> str:
        return place.removeprefix(f"{lake.address}/")

    return _converted(raw, convert, convert_table, _HERE)


def absolute(raw: JsonObject, lake: Lake) -> JsonObject:
    """Return a record or result, as JSON, with paths made absolute, in a lake."""

    def convert(place: str) -> str:
        return str(lake.root / _inside(place, lake))

    def convert_table(place: str) -> str:
        inside = _inside(place, lake)
        return inside if Path(inside).is_absolute() else f"{lake.address}/{inside}"

    return _converted(raw, convert, convert_table, lake.address)


def _inside(place: str, lake: Lake) -> str:
    """Return a path relative to the root of its lake; the absolute path if it is in no lake."""
    path = Path(place)
    if not path.is_absolute():
        return place
    if inside := lake.named(path):
        return inside[0]
    parts = next((path.parts[-n:] for folder, n in _PARTS.items() if path.parts[-n : 1 - n] == (folder,)), None)
    return place if parts is None else "/".join(parts)


def _converted(
    raw: JsonObject, convert: Callable[[str], str], convert_table: Callable[[str], str], lake: str
) -> JsonObject:
    """Return a copy with converted paths: of tables, folders and figures, and the task's `lake`."""
    copied = dict(raw)
    for name in ("folders", "figures"):
        if isinstance(raw.get(name), dict):
            copied[name] = {key: convert(place) for key, place in raw[name].items()}
    for name in ("table", "facts"):
        if raw.get(name):
            copied[name] = _tables(raw[name], convert_table)
    if raw.get("lineage"):
        copied["lineage"] = {name: _tag(name, value, convert_table) for name, value in raw["lineage"].items()}
    if "lake" in (raw.get("settings") or {}):
        copied["settings"] = {**raw["settings"], "lake": lake}
    return copied


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
