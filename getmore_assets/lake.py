"""The lake, and its Delta tables: reading a version, appending, and replacing a partition.

Belongs here: every read and write of a table, and the casts that its columns need. Does not: what a table means, or
how concurrent writers commit (`delta_commits.py`).
"""

import hashlib
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from filelock import FileLock, Timeout

from getmore_assets.delta_commits import Keyed, commit_properties, compare_and_commit, open_table, storable, write_rows
from getmore_assets.errors import BadInput
from getmore_assets.leases import Lease, is_leased
from getmore_assets.mirror import mirror_of
from getmore_assets.object_stores import delta_options, errors_of, is_on_store
from getmore_assets.pieces import arrow_stream

#: Seconds after which a reader fetches records again.
FRESH_S = 10.0
#: On a store: the kinds of locks that concern several machines.
_LEASED = ("command", "stage", "fit", "encode")


def unreadable_in(path: Path) -> str | None:
    """Return the first character of a path with which polars or deltalake cannot read a Delta table back, or None."""
    odd = re.search(r"[^\w/+~@=,:;!$&'()*.-]", str(path.absolute()), re.ASCII)
    return odd[0] if odd else None


def file_sizes(table: DeltaTable) -> dict[str, int]:
    """Return the files of a table at its version, in the order in which they were added, with sizes in bytes.

    Names are relative to the table's folder.
    """
    added = pl.DataFrame(table.get_add_actions(flatten=True)).sort("modification_time", maintain_order=True)
    return {unquote(path): size for path, size in added.select("path", "size_bytes").rows()}


def unfinished(path: Path) -> Path:
    """Return a hidden file name beside a path, for writing the file; no other process of any host uses the name."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")  # process ids are not unique across hosts


def newest_version(path: str) -> int:
    """Return the newest version of a Delta table."""
    return open_table(path).version()


@dataclass(frozen=True)
class TableRef:
    """A Delta table at one version."""

    path: str
    version: int

    def scan(self) -> pl.LazyFrame:
        """Scan the rows of that version."""
        options = delta_options(self.path)  # credentials come from the environment alone, as for every other client
        return pl.scan_delta(self.path, version=self.version, storage_options=options, credential_provider=None)

    def of_target(self, name: str) -> pl.LazyFrame:
        """Scan the rows of one target, given by the name of its task."""
        return self.scan().filter(pl.col("target") == name)


class Lake:
    """The folder of all results of a project: `tables/`, `models/`, `records/`, `work/`.

    It is a folder of this machine, or is on an object store (`s3://bucket/prefix`). Tables are read and written on the
    store directly. All other files have copies in a local mirror, which `pull` fetches and `push` uploads.

    Args:
        root: A folder or a URL.

    Attributes:
        address: The folder or URL.
        root: The folder, or the local mirror.
        mirror: The mirror; None for a folder.
    """

    def __init__(self, root: str | Path) -> None:
        self.mirror = mirror_of(str(root)) if is_on_store(root) else None
        self.root = self.mirror.root if self.mirror else Path(root).absolute()
        self.address = self.mirror.url if self.mirror else str(self.root)

    def table(self, name: str) -> str:
        """Return the path or URL of a table."""
        return f"{self.address}/tables/{name}" if self.mirror else str(self.root / "tables" / name)

    def pull(self, *folders: str, within: float = 0.0) -> None:
        """Fetch files of folders that changed on the store, as `Mirror.pull`; do nothing if the lake is a folder."""
        if self.mirror:
            self.mirror.pull(*folders, within=within)

    def push(self, *folders: str) -> None:
        """Upload files of folders that changed here, as `Mirror.push`; do nothing if the lake is a folder."""
        if self.mirror:
            self.mirror.push(*folders)

    def refresh(self, within: float = FRESH_S) -> None:
        """Fetch the files that describe earlier work, unless they were fetched in the last `within` seconds."""
        if self.mirror:
            self.mirror.pull("records", "pools", "runs", within=within)
            self.mirror.pull("encoders", within=within, deleted=False)  # another process may be fitting again

    def is_ahead(self, *names: str) -> bool:
        """Return whether one of these files was changed here and not uploaded; False if the lake is a folder."""
        return self.mirror is not None and self.mirror.is_ahead(*names)

    def named(self, *paths: str | Path) -> list[str]:
        """Return the paths relative to the root; paths outside of the lake are left out."""
        inside = (Path(path) for path in paths if Path(path).is_relative_to(self.root))
        return [path.relative_to(self.root).as_posix() for path in inside]

    def require_folder(self, command: str) -> None:
        """Refuse a lake on a store, for a command that works on folders only.

        Raises:
            BadInput: The lake is on a store. The message says how to use the command nevertheless.
        """
        if self.mirror:
            fix = f"With nothing running, copy the lake to a folder, run `{command}` with lake=FOLDER, and copy it back"
            raise BadInput(f"lake {self.address}", f"lies on a store, where `{command}` does not work", fix)

    def tables(self) -> list[str]:
        """Return the names of all tables."""
        if self.mirror is None:
            return sorted(path.name for path in (self.root / "tables").glob("*"))
        return self.mirror.folders("tables")

    def folder(self, *parts: str) -> Path:
        """Return a folder of the lake; create it if it is missing."""
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def is_writable(self) -> bool:
        """Return whether this process can write to the lake; a lake that does not exist yet counts as writable."""
        return not self.root.exists() or os.access(self.root, os.W_OK)

    def lock(self, *name: str) -> FileLock | Lease:
        """Return a lock that prevents two runs from doing the same work at once; it is released when its process ends.

        On a store, a lock that concerns several machines is a lease: the files that it protects are fetched when it is
        acquired, and uploaded when it is released.

        Args:
            name: The kind of lock, then what it locks: `("stage", "news", "embeddings")`. Each kind has its own
                files.
        """
        if self.mirror and name[0] in _LEASED:
            return Lease(self.mirror, name, partial(self._acquired, name[0]), partial(self._released, name[0]))
        root = self.root / "locks"
        if not self.is_writable():  # readers of a read-only lake lock a file in the temporary folder
            place = hashlib.sha256(str(self.root).encode()).hexdigest()[:16]
            root = Path(tempfile.gettempdir()) / f"getmore-{os.getuid()}-{place}"
        folder = root.joinpath(*name[:-1])
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{name[-1]}.lock")

    def _acquired(self, kind: str) -> None:
        if kind in ("command", "stage"):
            self.refresh(within=0)
        if kind == "fit":
            self.pull("encoders")

    def _released(self, kind: str) -> None:
        if kind == "stage":
            self.push("pools", "runs")
        if kind == "fit" and self.mirror:
            self.mirror.push("encoders", delete=True)  # a fit may have replaced another one

    def is_locked(self, *name: str) -> bool:
        """Return whether some process holds a lock."""
        if self.mirror and name[0] in _LEASED:
            return is_leased(self.mirror, name)
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
            return TableRef(self.table(name), open_table(self.table(name)).version())
        except TableNotFoundError:
            return None

    def holds(self, ref: TableRef) -> bool:
        """Return whether that version of a table can be read, and each file has the size in the log.

        It cannot be read after log clean-up, VACUUM or damage.

        Raises:
            BadInput: The store cannot be reached, or refuses access.
        """
        try:
            sizes = file_sizes(open_table(ref.path, ref.version))
        except BadInput:  # the store cannot be reached
            raise
        except Exception:  # deltalake raises several kinds for a missing table, log entry or version
            return False
        there = self.sizes_in(ref.path, sizes)
        return all(there.get(name) == size for name, size in sizes.items())

    def sizes_in(self, table: str, names: Iterable[str]) -> dict[str, int]:
        """Return the present sizes of files of a table, by name; without those that are gone."""
        if self.mirror is None:
            paths = {name: Path(table) / name for name in names}
            return {name: path.stat().st_size for name, path in paths.items() if path.is_file()}
        with errors_of(table):
            folder = f"{table.removeprefix(self.address).strip('/')}/"
            there = self.mirror.listed(folder.rstrip("/"))
        return {name.removeprefix(folder): size for name, (_, size) in there.items()}

    def keyed(self, name: str, partition: tuple[str, str], key: str, commit: dict[str, str]) -> Keyed:
        """Return a writer for a table to which several tasks or stages add rows: each key is written once.

        Args:
            name: The table.
            partition: The partition column and its value, which all rows have.
            key: The column with the key of a row, unique within the partition.
            commit: Metadata of the commit, for the table's history.
        """
        return Keyed(self.table(name), partition, key, commit, self.lock("commit", name), self.folder("work"))

    def append(self, name: str, rows: pl.DataFrame, partition_by: list[str], commit: dict[str, str]) -> None:
        """Add rows in one commit, without a check for equal rows."""
        write_rows(self.table(name), None, storable(rows), commit, mode="append", partition_by=partition_by)

    def replace(
        self,
        name: str,
        rows: pl.DataFrame | Callable[[], Iterator[pl.DataFrame]],
        key: dict[str, str],
        commit: dict[str, str],
    ) -> TableRef:
        """Replace the rows whose partition columns equal `key`, in one commit.

        Args:
            name: The table.
            rows: The new rows, or a function that yields them in pieces, to save memory. The function is called again
                if another writer commits first.
            key: The value of each partition column.
            commit: Metadata of the commit, for the table's history.

        Returns:
            The table at the version of that commit, even if other writers have committed since.
        """
        path = self.table(name)
        predicate = " AND ".join(f"{column} = '{value}'" for column, value in key.items())

        def keyed(rows: pl.DataFrame) -> pl.DataFrame:
            return storable(rows.with_columns(pl.lit(value, pl.String).alias(column) for column, value in key.items()))

        def overwrite(table: DeltaTable | None) -> None:
            new = keyed(rows) if isinstance(rows, pl.DataFrame) else arrow_stream(map(keyed, rows()))
            if table is None:
                write_rows(path, table, new, commit, mode="error", partition_by=list(key))
            else:  # a column added since the table was created is null in the rows of other partitions
                write_rows(path, table, new, commit, mode="overwrite", predicate=predicate, schema_mode="merge")

        return TableRef(path, compare_and_commit(path, overwrite, self.lock("commit", name)))

    def delete_where(self, name: str, predicate: str, commit: dict[str, str]) -> None:
        """Delete the rows for which a SQL condition holds, in one commit."""

        def delete(table: DeltaTable | None) -> None:
            assert table is not None, f"{name} was never written"
            table.delete(predicate, commit_properties=commit_properties(commit))

        compare_and_commit(self.table(name), delete, self.lock("commit", name))
