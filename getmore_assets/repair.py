"""Repairing a lake: damaged files are moved aside, so that the next run computes these again, and no others.

Belongs here: the repair of each kind of damage. Does not: finding damage (`damage.py`), or the run after a repair
(`cli/repair.py`).

Files that were moved aside are under `damaged/` in the lake, by the time of the repair, and can be deleted.
"""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, write_deltalake

from getmore_assets import damage
from getmore_assets.config import Task
from getmore_assets.contents import GONE
from getmore_assets.damage import EXPORT, FIGURE, FIT, LOG, MODEL, RECORD, ROWS, STORE, Damage
from getmore_assets.encoders import encoder_fingerprint, fits, store
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records, parsed, tasks_in

_COMMIT = {"asset": "repair"}
_ENCODED = ("domain_triage", "embeddings")
_ROUNDS = 5  # the repair of a table may damage a record that names a version of the table


def repair_lake(lake: Lake) -> list[Damage]:
    """Repair a lake; the next run computes again what was moved aside. No other process may write to the lake.

    Returns:
        The repaired damage.

    Raises:
        BadInput: A run works on the lake, or damage remains.
    """
    lake.require_folder("getmore repair")
    require_rest(lake)
    aside = _folder_aside(lake)
    repaired: list[Damage] = []
    for _ in range(_ROUNDS):
        damages = list(damage.find(lake, deep=True))
        if repaired:  # the next run of the task writes the exports that were moved aside
            damages = [one for one in damages if (one.kind, one.what) != (EXPORT, GONE)]
        if not damages:
            return repaired
        _repair_all(lake, damages, aside)
        repaired += damages
    what = "; ".join(f"{one.path}: {one.what}" for one in damages)
    raise BadInput(f"lake {lake.root}", f"could not be repaired ({what})", "Restore it from a back-up")


def repair_fit(task: Task, lake: Lake) -> Damage | None:
    """Move a task's fit aside, with the records of its vectors, if the fit does not match the vectors with its key.

    The next run fits the encoder again, and encodes every row with the new fit.

    Returns:
        The repaired damage, or None.
    """
    wrong = fits.mismatch(task, lake)
    if wrong is None:
        return None
    key, path = fits.key_of(task, lake), store.fitted_file(lake, encoder_fingerprint(task))
    aside = _folder_aside(lake)
    found = Damage(FIT, path, wrong, f"vectors of encoder {key}")
    _fit(lake, found, aside)
    _move_aside(lake, path.with_suffix(""), aside)
    _remove_records(lake, lambda record: record.stage in _ENCODED and record.facts.get("encoder") == key, aside)
    return found


def require_rest(lake: Lake) -> None:
    """Refuse a lake that a command or a run works on.

    Raises:
        BadInput: The message names the lock.
    """
    locks = lake.root / "locks"
    for path in sorted(locks.rglob("*.lock")):
        name = path.relative_to(locks).with_suffix("").parts
        if name[0] in ("stage", "encode", "commit", "work") and lake.is_locked(*name):
            fix = "Wait until it has ended, or end it; then try again"
            raise BadInput(f"lake {lake.root}", f"a run works on it ({'/'.join(name)})", fix)


def _folder_aside(lake: Lake) -> Path:
    return lake.root / "damaged" / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")


def _move_aside(lake: Lake, path: Path, aside: Path) -> None:
    if not path.exists():
        return
    to = aside / path.relative_to(lake.root)
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, to)


def _repair_all(lake: Lake, damages: list[Damage], aside: Path) -> None:
    tables = Path(lake.table(""))
    by_kind: dict[str, list[Damage]] = {}
    for one in damages:
        by_kind.setdefault(one.kind, []).append(one)
    for one in by_kind.get(LOG, []):
        _restart_table(lake, one.path.relative_to(tables).parts[0], aside)
    for one in by_kind.get(ROWS, []):
        _move_aside(lake, one.path, aside)
    for name in sorted({one.path.relative_to(tables).parts[0] for one in by_kind.get(ROWS, [])}):
        DeltaTable(lake.table(name)).repair(dry_run=False)
    repairs: dict[str, Callable[[Lake, Damage, Path], None]] = {
        RECORD: _record,
        FIT: _fit,
        EXPORT: _export,
        MODEL: _model,
        FIGURE: _figure,
        STORE: _store,
    }
    for kind, repair in repairs.items():
        for one in by_kind.get(kind, []):
            repair(lake, one, aside)


def _restart_table(lake: Lake, name: str, aside: Path) -> None:
    """Restart a table whose log is lost, with versions that no record names. Vectors are taken over.

    A vector's file names the encoder and the id, so it is right without the log.
    """
    folder = Path(lake.table(name))
    in_log = [int(file.name[:20]) for file in (folder / "_delta_log").glob("0*") if file.name[:20].isdigit()]
    in_records = [one.table.version for one in _all_records(lake) if one.table and one.table.path == str(folder)]
    version = max([0, *in_log, *in_records]) + 1
    _move_aside(lake, folder, aside)
    moved = aside / folder.relative_to(lake.root)
    files = [file for file in sorted(moved.rglob("*.parquet")) if "_delta_log" not in file.parts]
    if name == "embeddings":
        for file in files:
            with suppress(Exception):  # vectors in an unreadable file are computed again
                value = file.parent.name.partition("=")[2]
                lake.keyed(name, ("encoder", value), "id", _COMMIT).add(pl.read_parquet(file, hive_partitioning=False))
    elif files:
        with suppress(Exception):
            rows = pl.read_parquet(files[0], hive_partitioning=False).clear()
            column = files[0].parent.name.partition("=")[0]
            rows = rows.with_columns(pl.lit(None, pl.String).alias(column))
            write_deltalake(str(folder), rows, mode="error", partition_by=[column])
    if folder.is_dir():
        _number_from(folder, version)


def _number_from(folder: Path, version: int) -> None:
    """Renumber the newest version of a table, and make it the first readable version.

    So records of the lost table name a version that does not exist, instead of a version of the new table.
    """
    table, log = DeltaTable(str(folder)), folder / "_delta_log"
    table.create_checkpoint()
    newest = table.version()
    last = json.loads((log / "_last_checkpoint").read_text("utf-8"))
    for suffix in ("checkpoint.parquet", "json"):
        (log / f"{newest:020d}.{suffix}").rename(log / f"{version + newest:020d}.{suffix}")
    (log / "_last_checkpoint").write_text(json.dumps({**last, "version": version + newest}), "utf-8")
    for commit in log.glob("*.json"):
        if int(commit.name[:20]) < newest:
            commit.unlink()


def _all_records(lake: Lake) -> list[Record]:
    records = []
    for path in (lake.root / "records").rglob("*.json"):
        with suppress(BadInput, OSError):
            records.append(parsed(path, lake))
    return records


def _record(lake: Lake, one: Damage, aside: Path) -> None:
    """Replace a record by the newest earlier record whose table can be read, if there is any."""
    records = Records(lake, one.path.relative_to(lake.root / "records").parts[0])
    _move_aside(lake, one.path, aside)
    if one.path.parent.name != records.task:  # an earlier record, which is not replaced
        return
    for earlier in reversed(records.materializations(one.path.stem)):
        if earlier.table is None or lake.holds(earlier.table):
            records.put(earlier)
            return


def _fit(lake: Lake, one: Damage, aside: Path) -> None:
    for path in (one.path, one.path.with_suffix(".json")):
        _move_aside(lake, path, aside)


def _export(lake: Lake, one: Damage, aside: Path) -> None:
    _move_aside(lake, one.path, aside)


def _store(lake: Lake, one: Damage, aside: Path) -> None:
    """Move a store of runs aside; of Dagster's store the whole folder, because its files belong together."""
    name = one.path.relative_to(lake.root).parts[0]
    for path in lake.root.glob(f"{name}*"):  # with SQLite's journals beside it
        _move_aside(lake, path, aside)


def _model(lake: Lake, one: Damage, aside: Path) -> None:
    """Move a model aside, with the records that name it, so that it is trained again."""
    _move_aside(lake, one.path, aside)
    _remove_records(lake, lambda record: str(one.path) in record.folders.values(), aside)


def _figure(lake: Lake, one: Damage, _unused: Path) -> None:
    """Remove a missing figure from the records; it is drawn when its stage is computed again."""
    for task in tasks_in(lake):
        for path in (lake.root / "records" / task).glob("*.json"):
            with suppress(BadInput):
                record = parsed(path, lake)
                figures = {name: file for name, file in record.figures.items() if file != str(one.path)}
                if figures != record.figures:
                    Records(lake, task).put(replace(record, figures=figures))


def _remove_records(lake: Lake, has: Callable[[Record], bool], aside: Path) -> None:
    for path in sorted((lake.root / "records").rglob("*.json")):
        with suppress(BadInput):
            if has(parsed(path, lake)):
                _move_aside(lake, path, aside)
