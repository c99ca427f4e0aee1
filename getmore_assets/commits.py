"""Writers at once: a commit is made at the version that its writer looked at, or not at all.

Belongs here: comparing and committing, and the writer of tables whose rows have a key. Does not: reading tables, or
what they mean (`lake.py` and its callers).

Delta accepts one commit a version on any file system that can create a file only where there is none. A writer looks at
version v, and commits v + 1 or fails; where it failed it looks again. Locks only keep writers of one machine from
failing often: nothing is wrong where a lock does not reach.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import polars as pl
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError
from filelock import FileLock, Timeout

_PATIENCE_S = 10  # how long a writer waits for its turn before it tries without
_PAUSE_S = 0.05


def commit_properties(commit: dict[str, str]) -> CommitProperties:
    """Return what a commit says of itself; it fails where another one was made since the table was looked at."""
    return CommitProperties(custom_metadata=commit, max_commit_retries=0)


def compare_and_commit(path: str, write: Callable[[DeltaTable | None], None], lock: FileLock) -> int:
    """Write one commit on top of the table as it is; where another writer was faster, look and write again.

    Args:
        path: The table.
        write: Writes one commit to the table it is given (None: there is none yet), by `commit_properties`.
        lock: Held meanwhile where it can be had.

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
                if not _has_moved(path, version):  # nobody was faster: the error is the writer's own
                    raise
            time.sleep(random.uniform(0, _PAUSE_S))  # noqa: S311 - no secret hangs on it


class Keyed:
    """Adds rows to one partition of a table in which each key stands once, however many writers add the same keys.

    Args:
        path: The table.
        partition: The partition column and its value.
        key: The column that names a row within the partition.
        commit: Who writes, for the table's history.
        lock: Held while a commit is made, where it can be had.
    """

    def __init__(self, path: str, partition: tuple[str, str], key: str, commit: dict[str, str], lock: FileLock) -> None:
        self._path, self._partition, self._key, self._commit, self._lock = path, partition, key, commit, lock
        self._files: set[str] = set()
        self._version = -1
        self._keys = pl.DataFrame(schema={key: pl.String})

    def keys(self) -> pl.DataFrame:
        """Return the keys that stand in the partition by now: one column."""
        self._look(_open(self._path))
        return self._keys

    def add(self, rows: pl.DataFrame) -> int:
        """Append the rows whose key is not there, in one commit; returns how many they were.

        Args:
            rows: All columns of the table but the partition's; no key twice.
        """
        column, value = self._partition
        rows = storable(rows.select(pl.lit(value).alias(column), pl.all()))
        properties, written = commit_properties(self._commit), 0

        def write(table: DeltaTable | None) -> None:
            nonlocal written
            self._look(table)
            # The inner join hashes the few rows; an anti join would hash all keys that are known.
            met = rows.select(self._key).join(self._keys, on=self._key)
            fresh = rows.join(met, on=self._key, how="anti", maintain_order="left")
            written = fresh.height
            if not fresh.height:
                return
            write_deltalake(
                self._path if table is None else table,
                fresh,
                mode="error" if table is None else "append",
                schema_mode=None if table is None else "merge",  # partitions may differ in a column
                partition_by=[column],
                commit_properties=properties,
            )

        compare_and_commit(self._path, write, self._lock)
        return written

    def _look(self, table: DeltaTable | None) -> None:
        """Read the keys of the files that came since the last look."""
        if table is None or table.version() == self._version:
            return
        column, value = self._partition
        files = set(table.file_uris(file_pruning_predicate=[(column, "=", value)]))
        came = sorted(files - self._files)
        if came:
            keys = pl.scan_parquet(came).select(self._key).collect()
            self._keys = pl.concat([self._keys, keys])
        self._files, self._version = files, table.version()


def storable(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows as Delta can keep them: no fixed-size lists (they cannot be read back), no unsigned integers."""
    casts = []
    for name, dtype in rows.schema.items():
        if isinstance(dtype, pl.Array):
            casts.append(pl.col(name).cast(pl.List(dtype.inner)))
        elif dtype.is_unsigned_integer():
            casts.append(pl.col(name).cast(pl.Int64))
    return rows.with_columns(casts)


def _open(path: str) -> DeltaTable | None:
    try:
        return DeltaTable(path)
    except TableNotFoundError:
        return None


def _has_moved(path: str, version: int) -> bool:
    table = _open(path)
    return table is not None and table.version() > version


@contextmanager
def _turn(lock: FileLock) -> Iterator[None]:
    """Hold a lock, unless it cannot be had: its holder may be stopped, or the file system may have no locks."""
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except (Timeout, OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()
