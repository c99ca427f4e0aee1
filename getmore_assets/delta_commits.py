"""Concurrent writers: a commit directly follows the version that its writer has read, or fails.

Belongs here: compare-and-commit, and the writer of tables whose rows have a key. Does not: reading tables, or what they
mean (`lake.py` and its callers).

Delta accepts one commit per version on any file system that can create a file exclusively, and on any store that
honours conditional puts. A writer reads version v, and commits v + 1 or fails; after a failure it reads again. Locks
are not needed for correctness: they only make failures rare among writers of one machine.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import TableNotFoundError
from filelock import FileLock, Timeout

from getmore_assets.corpus.id_index import IdIndex
from getmore_assets.leases import Lease
from getmore_assets.object_stores import delta_options, errors_of, is_on_store

if TYPE_CHECKING:
    import pyarrow as pa

_PATIENCE_S = 10  # a writer waits so long for the lock, then writes without it
_PAUSE_S = 0.05
_KEYS_AT_ONCE = 2**16
_COMMIT_S, _COMMIT_BYTES = 2.0, 2**26
# A scan holds up to 32 row groups that its consumer has not taken yet: 2 GB of vectors where a file is one row group.
WRITER = WriterProperties(compression="SNAPPY", max_row_group_size=2**13)


def commit_properties(commit: dict[str, str]) -> CommitProperties:
    """Return the metadata of a commit, which fails if another commit was made since the table was read."""
    return CommitProperties(custom_metadata=commit, max_commit_retries=0)


def write_rows(
    path: str, table: DeltaTable | None, rows: "pl.DataFrame | pa.RecordBatchReader", commit: dict[str, str], **how: Any
) -> None:
    """Write rows in one commit, in the row groups of all tables; with `how` as in `write_deltalake`.

    Args:
        path: The table.
        table: The table, opened; None to open or create it.
        rows: The rows, as types that Delta supports (`storable`).
        commit: Metadata of the commit.
        how: Further arguments of `write_deltalake`.
    """
    write_deltalake(
        path if table is None else table,
        rows,
        storage_options=delta_options(path),
        commit_properties=commit_properties(commit),
        writer_properties=WRITER,
        **how,
    )


def compare_and_commit(path: str, write: Callable[[DeltaTable | None], None], lock: FileLock | Lease) -> int:
    """Write one commit on top of the present table; if another writer was faster, read and write again.

    Args:
        path: The table.
        write: Writes one commit with `commit_properties` to a table (None: the table does not exist yet).
        lock: Held during the commit, if it can be acquired.

    Returns:
        The version of the commit.
    """
    with _turn(lock):
        while True:
            table = _open(path)
            version = -1 if table is None else table.version()
            try:
                write(table)
                return version + 1
            except Exception:
                if not _has_moved(path, version):  # no other commit was made: the error has another cause
                    raise
            time.sleep(random.uniform(0, _PAUSE_S))  # noqa: S311 - not for a secret


class Keyed:
    """Adds rows to one partition of a table and keeps each key unique, even if several writers add the same keys.

    Args:
        path: The table.
        partition: The partition column and its value.
        key: The column with the key of a row, unique within the partition.
        commit: Metadata of commits, for the table's history.
        lock: Held during a commit, if it can be acquired.
        folder: The folder for temporary files of keys.
    """

    def __init__(
        self,
        path: str,
        partition: tuple[str, str],
        key: str,
        commit: dict[str, str],
        lock: FileLock | Lease,
        folder: Path,
    ) -> None:
        self._path, self._partition, self._key, self._commit, self._lock = path, partition, key, commit, lock
        self._files: set[str] = set()
        self._version = -1
        self._keys = IdIndex(folder)

    def look(self) -> None:
        """Read the keys that other writers have added."""
        self._look(_open(self._path))

    def knows(self, keys: pl.Series) -> np.ndarray:
        """Return whether each key was in the partition at the last `look`, or before the last `add`: `[len(keys)]`."""
        known: np.ndarray = self._keys.find(keys) >= 0
        return known

    def add(self, rows: pl.DataFrame) -> int:
        """Append the rows with new keys, in one commit, and return their number; of rows with one key, the first.

        Args:
            rows: All columns of the table except the partition's.
        """
        column, value = self._partition
        rows = rows.unique(self._key, keep="first", maintain_order=True)
        rows = storable(rows.select(pl.lit(value).alias(column), pl.all()))
        written = 0

        def append(table: DeltaTable | None) -> None:
            nonlocal written
            self._look(table)
            fresh = rows.filter(pl.Series(~self.knows(rows[self._key])))
            written = fresh.height
            if not fresh.height:
                return
            mode, merge = ("error", None) if table is None else ("append", "merge")  # partitions may differ in a column
            write_rows(self._path, table, fresh, self._commit, mode=mode, schema_mode=merge, partition_by=[column])

        compare_and_commit(self._path, append, self._lock)
        return written

    def _look(self, table: DeltaTable | None) -> None:
        """Read the keys of the files added since the last look."""
        if table is None or table.version() == self._version:
            return
        column, value = self._partition
        files = set(table.file_uris(file_pruning_predicate=[(column, "=", value)]))
        came = sorted(files - self._files)
        if came:
            options = delta_options(self._path)
            keys = pl.scan_parquet(came, storage_options=options, credential_provider=None).select(self._key)
            for batch in keys.collect_batches(chunk_size=_KEYS_AT_ONCE):
                self._keys.add(batch[self._key])
        self._files, self._version = files, table.version()


class Buffered:
    """Adds rows to a `Keyed` table in few commits. A context manager that commits at its end, also after an error.

    A commit of any size takes at least 40 ms. So rows are committed when the last commit is 2 seconds old, or when they
    fill 64 MiB. A killed process loses at most that much work.

    Args:
        table: The writer of the table.

    Attributes:
        written: Number of added rows.
    """

    def __init__(self, table: Keyed) -> None:
        self.written = 0
        self._table = table
        self._waiting: list[pl.DataFrame] = []
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._commit()

    def add(self, rows: pl.DataFrame) -> None:
        """Add the rows with new keys; of rows with one key, the first."""
        if rows.height:
            self._waiting.append(rows)
        size = sum(frame.estimated_size() for frame in self._waiting)
        if size >= _COMMIT_BYTES or time.monotonic() - self._last >= _COMMIT_S:
            self._commit()

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self.written += self._table.add(pl.concat(waiting))
            self._last = time.monotonic()


def storable(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with types that Delta supports: no fixed-size lists (not readable), no unsigned integers."""
    casts = []
    for name, dtype in rows.schema.items():
        if isinstance(dtype, pl.Array):
            casts.append(pl.col(name).cast(pl.List(dtype.inner)))
        elif dtype.is_unsigned_integer():
            casts.append(pl.col(name).cast(pl.Int64))
    return rows.with_columns(casts)


def open_table(path: str, version: int | None = None) -> DeltaTable:
    """Open a table, of this machine or on a store, at a version; the newest without one.

    Raises:
        TableNotFoundError: There is no table.
        BadInput: The store cannot be reached, or refuses access.
    """
    if not is_on_store(path):
        return DeltaTable(path, version=version)
    try:
        return DeltaTable(path, version=version, storage_options=delta_options(path))
    except OSError:  # an error of the store; errors of tables have other classes
        with errors_of(path):
            raise


def _open(path: str) -> DeltaTable | None:
    try:
        return open_table(path)
    except TableNotFoundError:
        return None


def _has_moved(path: str, version: int) -> bool:
    table = _open(path)
    return table is not None and table.version() > version


@contextmanager
def _turn(lock: FileLock | Lease) -> Iterator[None]:
    """Hold a lock, or go on without it: its holder may be suspended, or the file system may have no locks."""
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except (Timeout, OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()
