"""Delta tables: read at a version, append, replace a partition, with the writer in the metadata of each commit.

Belongs here: every read and write of a table, and the casts that its columns need. Does not: what a table means, or
how concurrent writers commit (`commits.py`).
"""

import hashlib
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError
from filelock import FileLock, Timeout

from getmore_assets.commits import Keyed, commit_properties, compare_and_commit, storable

# Commits that change how a table is stored, not its rows.
_MAINTENANCE = {"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "CHANGE COLUMN", "ADD FEATURE"}


#: The last look at each Delta table: by path, the data version, and the newest commit at that time. JSON-like.
Seen = dict[str, tuple[str, int]]


def delta_data_version(path: str, at: int | None = None, seen: Seen | None = None) -> str:
    """Return the data version of a Delta table, `table id:last data commit`; compaction and vacuum do not change it.

    Args:
        path: The table.
        at: A version of the table; None for the newest.
        seen: Earlier looks at tables; updated. After a log clean-up the log may lack the last data commit: then the
            data version comes from `seen`, or without it from the oldest commit still in the log.
    """
    table = DeltaTable(path, version=at)
    newest, table_id = table.version(), str(table.metadata().id)
    commits = [c for c in table.history() if c["version"] <= newest]
    oldest = min((c["version"] for c in commits), default=newest)
    changed = next((c["version"] for c in commits if c.get("operation") not in _MAINTENANCE), None)
    version = f"{table_id}:{oldest if changed is None else changed}"
    if seen is not None:
        before, until = seen.get(path, ("", -1))
        # Only maintenance since the last look, and the log has all commits since then.
        if changed is None and before.startswith(table_id) and until >= oldest - 1:
            version = before
        seen[path] = (version, newest)
    return version


def unreadable_in(path: Path) -> str | None:
    """Return the first character of a path with which polars or deltalake cannot read a Delta table back, or None."""
    odd = re.search(r"[^\w/+~@=,:;!$&'()*.-]", str(path.absolute()), re.ASCII)
    return odd[0] if odd else None


def file_sizes(table: DeltaTable) -> dict[Path, int]:
    """Return the files of a table at its version, in the order in which they were added, with sizes in bytes."""
    added = pl.DataFrame(table.get_add_actions(flatten=True)).sort("modification_time", maintain_order=True)
    root = Path(table.table_uri.removeprefix("file://"))
    return {root / unquote(path): size for path, size in added.select("path", "size_bytes").rows()}


def unfinished(path: Path) -> Path:
    """Return a hidden file name beside a path, for writing the file; no other process of any host uses the name."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")  # process ids are not unique across hosts


def newest_version(path: str) -> int:
    """Return the newest version of a Delta table."""
    return DeltaTable(path).version()


@dataclass(frozen=True)
class TableRef:
    """A Delta table at one version."""

    path: str
    version: int

    def scan(self) -> pl.LazyFrame:
        """Scan the rows of that version."""
        return pl.scan_delta(self.path, version=self.version)

    def of_target(self, name: str) -> pl.LazyFrame:
        """Scan the rows of one target, given by the name of its task."""
        return self.scan().filter(pl.col("target") == name)


class Lake:
    """The folder of all results of a project: `tables/`, `models/`, `records/`, `work/`."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()

    def table(self, name: str) -> str:
        """Return the path of a table."""
        return str(self.root / "tables" / name)

    def folder(self, *parts: str) -> Path:
        """Return a folder of the lake; create it if it is missing."""
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def is_writable(self) -> bool:
        """Return whether this process can write to the lake; a lake that does not exist yet counts as writable."""
        return not self.root.exists() or os.access(self.root, os.W_OK)

    def lock(self, *name: str) -> FileLock:
        """Return a lock that prevents two runs from doing the same work at once; it is released with its process.

        Args:
            name: The kind of lock, then what it locks: `("stage", "news", "embeddings")`. Each kind has its own
                files.
        """
        root = self.root / "locks"
        if not self.is_writable():  # nobody writes here: readers lock a file in a folder where they may create one
            place = hashlib.sha256(str(self.root).encode()).hexdigest()[:16]
            root = Path(tempfile.gettempdir()) / f"getmore-{os.getuid()}-{place}"
        folder = root.joinpath(*name[:-1])
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{name[-1]}.lock")

    def is_locked(self, *name: str) -> bool:
        """Return whether some process holds a lock."""
        lock = self.lock(*name)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return True
        lock.release()
        return False

    def latest(self, name: str) -> TableRef | None:
        """Return the newest version of a table, or None if the table does not exist yet."""
        try:
            return TableRef(self.table(name), DeltaTable(self.table(name)).version())
        except TableNotFoundError:
            return None

    def holds(self, ref: TableRef) -> bool:
        """Return whether that version of a table can be read, and each file has the size in the log.

        It cannot be read after log clean-up, VACUUM or damage.
        """
        try:
            sizes = file_sizes(DeltaTable(ref.path, version=ref.version))
        except Exception:  # deltalake raises several kinds for a missing table, log entry or version
            return False
        return all(path.is_file() and path.stat().st_size == size for path, size in sizes.items())

    def keyed(self, name: str, partition: tuple[str, str], key: str, commit: dict[str, str]) -> Keyed:
        """Return a writer for a table to which several tasks or stages add rows: each key is written once.

        Args:
            name: The table.
            partition: The partition column and its value, which all rows have.
            key: The column with the key of a row, unique within the partition.
            commit: Metadata of the commit, for the table's history.
        """
        return Keyed(self.table(name), partition, key, commit, self.lock("commit", name))

    def append(self, name: str, rows: pl.DataFrame, partition_by: list[str], commit: dict[str, str]) -> None:
        """Add rows in one commit, without a check for equal rows."""
        path, properties = self.table(name), commit_properties(commit)
        write_deltalake(path, storable(rows), mode="append", partition_by=partition_by, commit_properties=properties)

    def replace(self, name: str, rows: pl.DataFrame, key: dict[str, str], commit: dict[str, str]) -> TableRef:
        """Replace the rows whose partition columns equal `key`, in one commit.

        Returns:
            The table at the version of that commit, even if other writers have committed since.
        """
        path, properties = self.table(name), commit_properties(commit)
        rows = storable(rows.with_columns(pl.lit(value, pl.String).alias(column) for column, value in key.items()))
        predicate = " AND ".join(f"{column} = '{value}'" for column, value in key.items())

        def write(table: DeltaTable | None) -> None:
            if table is None:
                write_deltalake(path, rows, mode="error", partition_by=list(key), commit_properties=properties)
                return
            # A column added since the table was created is null in the rows of other partitions.
            write_deltalake(
                table, rows, mode="overwrite", predicate=predicate, schema_mode="merge", commit_properties=properties
            )

        return TableRef(path, compare_and_commit(path, write, self.lock("commit", name)))

    def delete_where(self, name: str, predicate: str, commit: dict[str, str]) -> None:
        """Delete the rows for which a SQL condition holds, in one commit."""

        def delete(table: DeltaTable | None) -> None:
            assert table is not None, f"{name} was never written"
            table.delete(predicate, commit_properties=commit_properties(commit))

        compare_and_commit(self.table(name), delete, self.lock("commit", name))


def vectors_of(rows: pl.DataFrame, column: str = "vector") -> np.ndarray:
    """Return a list column as a matrix: `[rows, d]`, float32."""
    width = rows[column].list.len().max()
    if width is None:
        return np.empty((0, 0), np.float32)
    matrix = rows[column].list.to_array(int(width)).to_numpy()  # type: ignore[arg-type]
    return np.ascontiguousarray(matrix, dtype=np.float32)


def batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Yield a scan in batches, so that memory is bounded by `rows` and not by the table."""
    yield from frame.collect_batches(chunk_size=rows, maintain_order=True)
