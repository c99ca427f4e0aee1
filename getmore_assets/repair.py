"""Healing a damaged lake: what is damaged is set aside, so that the next run makes it again, and nothing else.

Belongs here: what is done about each kind of damage. Does not: finding it (`damage.py`), or the run that makes again
what was set aside (`cli/repair.py`).

What is set aside lies under `damaged/` in the lake, by the time of the repair; it can be deleted.
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
_TURNS = 5  # how often the lake is looked at: mending a table may show that a record was of a version that is gone


def heal(lake: Lake) -> list[Damage]:
    """Heal what is damaged; what has to be made again is left out, so that the next run makes it.

    Nothing else may write to the lake meanwhile.

    Returns:
        What was damaged.

    Raises:
        BadInput: Something works on the lake, or damage stays.
    """
    lake.require_folder("getmore repair")
    require_rest(lake)
    aside = _place_aside(lake)
    healed: list[Damage] = []
    for _ in range(_TURNS):
        found = list(damage.look(lake, deep=True))
        if healed:  # an export that is gone by now is written by the next run of its task
            found = [one for one in found if (one.kind, one.what) != (EXPORT, GONE)]
        if not found:
            return healed
        _heal_all(lake, found, aside)
        healed += found
    what = "; ".join(f"{one.path}: {one.what}" for one in found)
    raise BadInput(f"lake {lake.root}", f"could not be healed ({what})", "Restore it from a back-up")


def heal_fit(task: Task, lake: Lake) -> Damage | None:
    """Set the fit of a task aside where vectors of several fits are named by it, with the records of what it made.

    The next run fits anew, and encodes every row under the name of that fit.

    Returns:
        What was damaged, or None.
    """
    wrong = fits.mismatch(task, lake)
    if wrong is None:
        return None
    key, path = fits.key_of(task, lake), store.fitted_file(lake, encoder_fingerprint(task))
    aside = _place_aside(lake)
    found = Damage(FIT, path, wrong, f"vectors of encoder {key}")
    _fit(lake, found, aside)
    set_aside(lake, path.with_suffix(""), aside)
    _forget(lake, lambda record: record.stage in _ENCODED and record.facts.get("encoder") == key, aside)
    return found


def require_rest(lake: Lake) -> None:
    """Refuse where a command or a run works on the lake.

    Raises:
        BadInput: With the lock that is held.
    """
    locks = lake.root / "locks"
    for path in sorted(locks.rglob("*.lock")):
        name = path.relative_to(locks).with_suffix("").parts
        if name[0] in ("stage", "encode", "commit", "work") and lake.is_locked(*name):
            fix = "Wait until it has ended, or end it; then try again"
            raise BadInput(f"lake {lake.root}", f"a run works on it ({'/'.join(name)})", fix)


def _place_aside(lake: Lake) -> Path:
    return lake.root / "damaged" / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")


def set_aside(lake: Lake, path: Path, aside: Path) -> None:
    """Move a file or folder of the lake to where damaged things are kept."""
    if not path.exists():
        return
    to = aside / path.relative_to(lake.root)
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, to)


def _heal_all(lake: Lake, found: list[Damage], aside: Path) -> None:
    tables = Path(lake.table(""))
    of: dict[str, list[Damage]] = {}
    for one in found:
        of.setdefault(one.kind, []).append(one)
    for one in of.get(LOG, []):
        _start_anew(lake, one.path.relative_to(tables).parts[0], aside)
    for name in sorted({one.path.relative_to(tables).parts[0] for one in of.get(ROWS, [])}):
        for one in of[ROWS]:
            if one.path.relative_to(tables).parts[0] == name:
                set_aside(lake, one.path, aside)
        DeltaTable(lake.table(name)).repair(dry_run=False)
    heal: dict[str, Callable[[Lake, Damage, Path], None]] = {
        RECORD: _record,
        FIT: _fit,
        EXPORT: _aside,
        MODEL: _aside_with_records,
        FIGURE: _figure,
        STORE: _store,
    }
    for kind, how in heal.items():
        for one in of.get(kind, []):
            how(lake, one, aside)


def _start_anew(lake: Lake, name: str, aside: Path) -> None:
    """Begin a table whose log is lost, with versions that no record names; vectors are taken over, by id.

    A vector's partition names the encoder that it is of, and its row the id: it is right whatever the log said.
    """
    folder = Path(lake.table(name))
    numbers = [int(one.name.split(".")[0]) for one in (folder / "_delta_log").glob("0*") if one.name[:20].isdigit()]
    named = [one.table.version for one in _all_records(lake) if one.table and one.table.path == str(folder)]
    version = max([0, *numbers, *named]) + 1
    set_aside(lake, folder, aside)
    there = aside / folder.relative_to(lake.root)
    files = [one for one in sorted(there.rglob("*.parquet")) if "_delta_log" not in one.parts]
    if name == "embeddings":
        for file in files:
            with suppress(Exception):  # what cannot be read is encoded again
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
    """Give the newest version of a table a number, and make it the first that can be read.

    So a version that a record of the lost table names is gone, and not another table's.
    """
    table, log = DeltaTable(str(folder)), folder / "_delta_log"
    table.create_checkpoint()
    newest = table.version()
    last = json.loads((log / "_last_checkpoint").read_text("utf-8"))
    for suffix in ("checkpoint.parquet", "json"):
        (log / f"{newest:020d}.{suffix}").rename(log / f"{version + newest:020d}.{suffix}")
    (log / "_last_checkpoint").write_text(json.dumps({**last, "version": version + newest}), "utf-8")
    for one in log.glob("*.json"):
        if int(one.name[:20]) < newest:
            one.unlink()


def _all_records(lake: Lake) -> list[Record]:
    found = []
    for path in (lake.root / "records").rglob("*.json"):
        with suppress(BadInput, OSError):
            found.append(parsed(path, lake))
    return found


def _record(lake: Lake, one: Damage, aside: Path) -> None:
    """Put the newest other copy of a record in its place, where there is one whose table can be read."""
    records = Records(lake, one.path.relative_to(lake.root / "records").parts[0])
    set_aside(lake, one.path, aside)
    if one.path.parent.name != records.task:  # an earlier making: it is only remembered
        return
    for earlier in reversed(records.makings(one.path.stem)):
        if earlier.table is None or lake.holds(earlier.table):
            records.put(earlier)
            return


def _fit(lake: Lake, one: Damage, aside: Path) -> None:
    for path in (one.path, one.path.with_suffix(".json")):
        set_aside(lake, path, aside)


def _aside(lake: Lake, one: Damage, aside: Path) -> None:
    set_aside(lake, one.path, aside)


def _store(lake: Lake, one: Damage, aside: Path) -> None:
    """Set a store of runs aside: Dagster's whole folder, as its files belong together."""
    place = lake.root / one.path.relative_to(lake.root).parts[0]
    for path in lake.root.glob(f"{place.name}*"):  # SQLite's own files beside it, too
        set_aside(lake, path, aside)


def _aside_with_records(lake: Lake, one: Damage, aside: Path) -> None:
    """Set a model aside, with the records that name it: it is trained again."""
    _aside(lake, one, aside)
    _forget(lake, lambda record: str(one.path) in record.folders.values(), aside)


def _figure(lake: Lake, one: Damage, _aside_to: Path) -> None:
    """Let records no longer name a picture that is gone: it is drawn when its stage is made again."""
    for task in tasks_in(lake):
        for path in (lake.root / "records" / task).glob("*.json"):
            with suppress(BadInput):
                record = parsed(path, lake)
                left = {name: place for name, place in record.figures.items() if place != str(one.path)}
                if left != record.figures:
                    Records(lake, task).put(replace(record, figures=left))


def _forget(lake: Lake, which: Callable[[Record], bool], aside: Path) -> None:
    for path in sorted((lake.root / "records").rglob("*.json")):
        with suppress(BadInput):
            if which(parsed(path, lake)):
                set_aside(lake, path, aside)
