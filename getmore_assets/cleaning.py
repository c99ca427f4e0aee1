"""Files and rows of a lake that no record refers to: finding and deleting them, and joining small files of tables.

Belongs here: what is unused, and deleting it. Does not: damage (`damage.py`, `repair.py`).

A record refers to versions of its table and of its inputs' tables, to model folders, and to a pool and an encoder.
Everything that the last record of a stage refers to is kept. So is everything that an earlier record refers to, if that
record was made since `before`: a stage can go back to its state. Everything younger than `before` is kept, too, because
a run may be using it.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from getmore_assets.delta_commits import WRITER
from getmore_assets.lake import Lake
from getmore_assets.records import STAGE_NAMES, Record, Records, tables_of, tasks_in
from getmore_assets.repair import require_rest

_COMMIT = {"asset": "clean"}
_KEYED = {"raw_corpus": "pool", "embeddings": "encoder"}  # tables whose partitions tasks share, by a key in records
_WITHOUT = "-without"  # suffix of an encoder's second partition (`encoders/store.py`)
_SMALL, _MANY = 2**25, 16  # bytes of a small file; a table's small files are joined if there are so many


@dataclass(frozen=True)
class Waste:
    """Files or rows that no record refers to.

    Attributes:
        kind: version, rows, model, work or damaged.
        path: A file or folder, or a table and its partition.
        size: Bytes. For rows, the size of their files, which are deleted with the versions that contain them.
    """

    kind: str
    path: str
    size: int


@dataclass
class _Used:
    """The versions of tables, folders and partition keys that records refer to."""

    versions: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    folders: set[Path] = field(default_factory=set)
    keys: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def clean(lake: Lake, before: datetime, delete: bool) -> list[Waste]:
    """Return what no record refers to and is older than a moment, and delete it if `delete` is set.

    Args:
        lake: The lake, with any number of tasks.
        before: The moment, with its time zone.
        delete: Whether to delete. No other process may write to the lake meanwhile.

    Raises:
        BadInput: `delete` is set, and a run works on the lake.
    """
    lake.require_folder("getmore clean")
    if delete:
        require_rest(lake)
    used, found = _used(lake, before), []
    for name in _tables(lake):
        found += _rows(lake, name, used, before, delete)
        found += _versions(lake, name, used, before, delete)
    for waste in _folders(lake, used, before):
        found.append(waste)
        if delete:
            shutil.rmtree(waste.path)
    return found


def compact(lake: Lake) -> dict[str, int]:
    """Join the small files of tables that have many; rows and earlier versions stay as they are.

    Returns:
        The decrease of the number of files, by table.

    Raises:
        BadInput: A run works on the lake.
    """
    require_rest(lake)
    fewer = {}
    for name in _tables(lake):
        table = DeltaTable(lake.table(name))
        if (_files(table)["size_bytes"] < _SMALL).sum() >= _MANY:
            done = table.optimize.compact(writer_properties=WRITER)
            fewer[name] = done["numFilesRemoved"] - done["numFilesAdded"]
    return fewer


def _used(lake: Lake, before: datetime) -> _Used:
    used = _Used()
    for record in _records(lake, before):
        for path, version in _table_versions(record):
            used.versions[Path(path).name].add(version)
        used.folders |= {Path(folder) for folder in record.folders.values()}
        for column in _KEYED.values():
            used.keys[column] |= {str(record.facts[column])} if record.facts.get(column) else set()
    for note in (lake.root / "encoders").glob("*.json"):  # the next run uses these fits and their vectors
        used.keys["encoder"].add(json.loads(note.read_text("utf-8"))["key"])
    return used


def _records(lake: Lake, before: datetime) -> Iterator[Record]:
    for task in tasks_in(lake):
        records = Records(lake, task)
        for stage in STAGE_NAMES:
            last = records.last(stage)
            if last is not None:
                yield last
            yield from (one for one in records.materializations(stage) if datetime.fromisoformat(one.made_at) >= before)


def _table_versions(record: Record) -> Iterator[tuple[str, int]]:
    if record.table is not None:
        yield record.table.path, record.table.version
    yield from ((table.path, table.version) for table in tables_of(record.lineage).values())


def _tables(lake: Lake) -> list[str]:
    return [name for name in lake.tables() if Path(lake.table(name), "_delta_log").is_dir()]


def _files(table: DeltaTable) -> pl.DataFrame:
    return pl.DataFrame(table.get_add_actions(flatten=True))


def _rows(lake: Lake, name: str, used: _Used, before: datetime, delete: bool) -> list[Waste]:
    """Return the partitions of a shared table that no record names; delete them if asked."""
    column = _KEYED.get(name)
    if column is None:
        return []
    files = _files(DeltaTable(lake.table(name))).group_by(f"partition.{column}")
    found = []
    for key, size, newest in (
        files.agg(pl.sum("size_bytes"), pl.max("modification_time")).sort(f"partition.{column}").rows()
    ):
        named = key.removesuffix(_WITHOUT) if name == "embeddings" else key
        if named in used.keys[column] or _moment(newest) >= before:
            continue
        found.append(Waste("rows", f"{name}/{column}={key}", size))
        if delete:
            lake.delete_where(name, f"{column} = '{key}'", _COMMIT)
            (lake.root / "pools" / f"{key}.json").unlink(missing_ok=True)
    return found


def _versions(lake: Lake, name: str, used: _Used, before: datetime, delete: bool) -> list[Waste]:
    """Return the files of versions that no record refers to and that were replaced before the moment."""
    table = DeltaTable(lake.table(name))
    commits = [(c["version"], _moment(c["timestamp"])) for c in table.history()]
    old = [version for version, made in commits if made < before]
    # The newest version older than `before` was the table's state at that moment, so it is kept.
    kept = {version for version, made in commits if made >= before} | set(old[:1]) | used.versions[name]
    held = sorted(version for version, _ in commits if version in kept)

    def vacuum(dry_run: bool) -> list[str]:
        return table.vacuum(0, dry_run=dry_run, enforce_retention_duration=False, keep_versions=held)

    root, found = Path(table.table_uri.removeprefix("file://")), []
    for path in vacuum(dry_run=True):
        file = root / unquote(path)
        if file.is_file():
            found.append(Waste("version", str(file.relative_to(lake.root)), file.stat().st_size))
    if delete and found:
        vacuum(dry_run=False)
    return found


def _folders(lake: Lake, used: _Used, before: datetime) -> Iterator[Waste]:
    """Yield models that no record names, work of interrupted runs, and files that repairs moved aside."""
    for kind, pattern in (("model", "models/*/*"), ("work", "work/*"), ("damaged", "damaged/*")):
        for folder in sorted(lake.root.glob(pattern)):
            files = [path for path in folder.rglob("*") if path.is_file()]
            newest = max((path.stat().st_mtime for path in [folder, *files]), default=0.0)
            if folder.is_dir() and folder not in used.folders and datetime.fromtimestamp(newest, UTC) < before:
                yield Waste(kind, str(folder), sum(path.stat().st_size for path in files))


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
