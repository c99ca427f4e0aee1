"""Damage in a lake: in tables, records, fits, exports, models and figures.

Belongs here: finding damage; what was never written is not damage. Does not: repairing (`repair.py`), or whether this
machine can run the pipeline (`doctor.py`).

The fast search reads logs, sizes, records and small files. The deep search reads every row and hashes every file.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from safetensors import safe_open

from getmore_assets import tracking_place
from getmore_assets.contents import GONE, wrong_with
from getmore_assets.corpus.identity import content_id
from getmore_assets.delta_commits import open_table
from getmore_assets.encoders.store import LENGTH_TOLERANCE
from getmore_assets.errors import REPAIR, BadInput
from getmore_assets.lake import Lake, file_sizes
from getmore_assets.pieces import vectors_of
from getmore_assets.records import STAGE_NAMES, LaterVersionError, Record, Records, other_rows, parsed, tasks_in

LOG, ROWS, RECORD, FIT = "log", "rows", "record", "fit"
EXPORT, MODEL, FIGURE, STORE = "export", "model", "figure", "store"

#: The tables of a stage that writes more than the table of its name.
_TABLES = {
    "domain_triage": ("domain_triage", "embeddings"),
    "selected_subset": ("selected_subset", "row_ledger"),
    "scorecard": ("scorecard", "scorecard_curves", "compared_subsets"),
}
#: The key column of tables whose partitions have each row once.
_KEYS = {"embeddings": "id", "raw_corpus": "id"}


@dataclass(frozen=True)
class Damage:
    """A damaged file or folder of a lake.

    Attributes:
        kind: log, rows, record, fit, export, model, figure or store.
        path: The file or folder.
        what: What is wrong with it.
        depends: The results that depend on it.
        url: The URL, if it is a file or folder of a table on a store.
    """

    kind: str
    path: Path
    what: str
    depends: str = ""
    url: str = ""

    @property
    def where(self) -> str:
        """The path or URL."""
        return self.url or str(self.path)

    @property
    def since(self) -> str:
        """The time of the last change of the path, or of the nearest parent if the path is gone: ISO 8601, UTC.

        Empty on a store.
        """
        if self.url:
            return ""
        existing = next(path for path in (self.path, *self.path.parents) if path.exists())
        inside = existing.rglob("*") if existing == self.path and existing.is_dir() else ()
        changed = max(path.stat().st_mtime for path in (existing, *inside))
        return datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds")


def require_undamaged(lake: Lake, stage: str) -> None:
    """Refuse a stage with a damaged table, before the table is read or written.

    Raises:
        BadInput: The message names the command that repairs the table.
    """
    for name in _TABLES.get(stage, (stage,)):
        for damage in of_table(lake, name):
            raise BadInput(damage.where, f"{damage.what} (table {name})", REPAIR)


def find(lake: Lake, deep: bool = False) -> Iterator[Damage]:
    """Yield all damage in a lake; nothing is changed."""
    for name in lake.tables():
        yield from of_table(lake, name, deep)
    yield from _of_fits(lake)
    if (lake.root / "records").is_dir():
        for task in tasks_in(lake):
            yield from _of_records(lake, task, deep)
    for store in [lake.root / "mlflow.db", *sorted((lake.root / "dagster").rglob("*.db"))]:
        if store.is_file() and (wrong := _wrong_with_store(store, deep)):
            yield Damage(STORE, store, wrong, "the history of runs; no stage reads it")


def untracked(lake: Lake) -> list[Record]:
    """Return the last records whose MLflow run is missing in the lake's MLflow store."""
    return tracking_place.lost(lake, last_records(lake))


def last_records(lake: Lake) -> list[Record]:
    """Return the last record of each stage of each task, except records that cannot be read."""
    if not (lake.root / "records").is_dir():
        return []
    tasks = (Records(lake, task) for task in tasks_in(lake))
    return [record for records in tasks for stage in STAGE_NAMES if (record := _last(records, stage))]


def _last(records: Records, stage: str) -> Record | None:
    try:
        return records.last(stage)
    except BadInput:  # `_of_records` reports it
        return None


def _wrong_with_store(path: Path, deep: bool) -> str | None:
    query = "PRAGMA quick_check" if deep else "SELECT count(*) FROM sqlite_master"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as store:
            answer = store.execute(query).fetchone()[0]
    except sqlite3.OperationalError:  # locked by a run, or on a read-only disk
        return None
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if not deep or answer == "ok" else str(answer)


def of_table(lake: Lake, name: str, deep: bool = False) -> Iterator[Damage]:
    """Yield the damage in a table's log and in the files of its newest version."""
    if lake.mirror:
        yield from _of_table_on_store(lake, name)
        return
    folder = Path(lake.table(name))
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    depends = "all results of every task that come from it"
    for commit in sorted(folder.glob("_delta_log/*.json")):
        if not _is_commit(commit):
            yield Damage(LOG, commit, "is not a whole commit of the table's log", depends)
            return
    try:
        sizes = file_sizes(DeltaTable(str(folder)))
    except Exception as error:  # deltalake raises errors of several classes
        message = (str(error).strip() or type(error).__name__).splitlines()[0]
        yield Damage(LOG, folder / "_delta_log", f"cannot be read ({message})", depends)
        return
    seen = pl.DataFrame(schema={"of": pl.String, "id": pl.String})
    for path, size in sizes.items():
        file = folder / path
        depends = f"{file.parent.name} of {name}"
        if not file.is_file():
            yield Damage(ROWS, file, GONE, depends)
        elif file.stat().st_size != size:
            yield Damage(ROWS, file, f"has {file.stat().st_size:,} bytes, not {size:,}", depends)
        elif deep:
            wrong, ids = _read(file, name)
            if not wrong and ids is not None:
                repeated = ids.join(seen, on=["of", "id"]).height + ids.height - ids.unique().height
                wrong = f"has {repeated:,} rows that the table has already" if repeated else None
                seen = seen if wrong else pl.concat([seen, ids])
            if wrong:
                yield Damage(ROWS, file, wrong, depends)


def _of_table_on_store(lake: Lake, name: str) -> Iterator[Damage]:
    """Yield the damage in a table's log and in the sizes of its files; the store checks their contents itself."""
    table = lake.table(name)
    try:
        sizes = file_sizes(open_table(table))
    except TableNotFoundError:
        return
    except BadInput:  # the store cannot be reached
        raise
    except Exception as error:  # deltalake raises errors of several classes
        message = (str(error).strip() or type(error).__name__).splitlines()[0]
        depends = "all results of every task that come from it"
        yield Damage(LOG, Path(name), f"cannot be read ({message})", depends, f"{table}/_delta_log")
        return
    present = lake.sizes_in(table, sizes)
    for file, size in sizes.items():
        if present.get(file) != size:
            wrong = f"has {present[file]:,} bytes, not {size:,}" if file in present else GONE
            depends = f"{Path(file).parent.name} of {name}"
            yield Damage(ROWS, Path(file), wrong, depends, f"{table}/{file}")


def _is_commit(path: Path) -> bool:
    try:
        lines = path.read_text("utf-8").splitlines()
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines if line)
    except ValueError:
        return False


def _read(file: Path, table: str) -> tuple[str | None, pl.DataFrame | None]:
    """Read every row of a table's file; return what is wrong with it, and the ids if they must be unique."""
    try:
        rows = pl.read_parquet(file, hive_partitioning=False)
    except Exception as error:  # polars raises errors of several classes
        return f"cannot be read ({type(error).__name__})", None
    if table == "embeddings" and rows.height:
        off = np.abs(np.linalg.norm(vectors_of(rows), axis=1) - 1)
        wrong = int((~(off < LENGTH_TOLERANCE)).sum())
        if wrong:
            return f"has {wrong:,} vectors that are not of length 1", None
    if table == "raw_corpus":
        wrong = sum(content_id(text) != id_ for id_, text in rows.select("id", "text").iter_rows())
        if wrong:
            return f"has {wrong:,} texts that do not match their ids", None
    key = _KEYS.get(table)
    return None, rows.select(pl.lit(file.parent.name).alias("of"), key) if key else None


def _of_fits(lake: Lake) -> Iterator[Damage]:
    for file in sorted((lake.root / "encoders").glob("*.safetensors")):
        note, wrong = file.with_suffix(".json"), None
        try:
            with safe_open(file, "numpy"):
                pass
            if note.is_file():
                wrong = wrong_with(file, json.loads(note.read_text("utf-8"))["contents"], deep=True)
        except Exception:
            wrong = "cannot be read"
        if wrong:
            yield Damage(FIT, file, wrong, "vectors of this encoder that are not computed yet")
    for note in sorted((lake.root / "encoders").glob("*.json")):
        if not note.with_suffix(".safetensors").exists() and not note.with_suffix("").is_dir():
            yield Damage(FIT, note.with_suffix(".safetensors"), GONE, "vectors of this encoder")


def _of_records(lake: Lake, task: str, deep: bool) -> Iterator[Damage]:
    folder = lake.root / "records" / task
    for path in sorted(folder.glob("earlier/*/*.json")):
        try:
            parsed(path, lake)
        except LaterVersionError:
            raise
        except BadInput as error:
            yield Damage(RECORD, path, error.what, f"earlier materialization of {path.parent.name} of {task}")
    for path in sorted(folder.glob("*.json")):
        depends = f"{path.stem} of {task}, and the stages after it"
        try:
            record = parsed(path, lake)
        except LaterVersionError:
            raise
        except BadInput as error:
            yield Damage(RECORD, path, error.what, depends)
            continue
        yield from _of_record(lake, path, record, deep)


def _of_record(lake: Lake, path: Path, record: Record, deep: bool) -> Iterator[Damage]:
    depends = f"{record.stage} of {record.task}"
    if record.table is not None and not lake.holds(record.table):
        name = Path(record.table.path).name
        if not any(True for _ in of_table(lake, name)):  # else the table is reported
            yield Damage(RECORD, path, f"names version {record.table.version} of {name}, which is gone", depends)
    for name, place in record.folders.items():
        exported = Path(place).is_relative_to(lake.root / "exports")
        wrong = wrong_with(Path(place), record.contents.get(name), deep)
        if wrong is None and exported and name not in record.contents:
            wrong = other_rows(record, Path(place))
        if wrong:
            yield Damage(EXPORT if exported else MODEL, Path(place), wrong, depends)
    for figure in record.figures.values():
        if not Path(figure).is_file():
            yield Damage(FIGURE, Path(figure), GONE, f"a figure of {depends}")
