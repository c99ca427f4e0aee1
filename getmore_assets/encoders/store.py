"""The table `embeddings`: one vector per content id and encoder.

Belongs here: listing ids with a vector, adding vectors, and reading vectors in a given order. Does not: encoding.
"""

import os
import time
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from getmore_assets.corpus.id_index import IdIndex
from getmore_assets.delta_commits import Keyed
from getmore_assets.errors import REPAIR, BadInput
from getmore_assets.lake import Lake, TableRef, batches, vectors_of

TABLE = "embeddings"
_BATCH = 8192
_COMMIT_S, _COMMIT_BYTES = 2.0, 2**26
LENGTH_TOLERANCE = 1e-3  # largest difference of a vector's length from 1


def fitted_file(lake: Lake, encoder: str) -> Path:
    """Return the file of a fitted encoder."""
    return lake.folder("encoders") / f"{encoder}.safetensors"


def encoded_ids(table: TableRef | None, encoder: str) -> pl.DataFrame:
    """Return the ids that have a vector: one column, `id`."""
    if table is None:
        return pl.DataFrame(schema={"id": pl.String})
    return table.scan().filter(pl.col("encoder") == encoder).select("id").collect()


def without_vector(table: TableRef | None, encoder: str) -> pl.DataFrame:
    """Return the ids of texts without a vector, because the encoder knows none of their tokens: one column, `id`."""
    return encoded_ids(table, _partition_without(encoder))


def _partition_without(encoder: str) -> str:
    """Return the partition of texts without a vector, which readers of vectors skip."""
    return f"{encoder}-without"


class Writer:
    """Writes vectors of an encoder, and the ids of texts without a vector. A context manager that commits at its end.

    A commit of any size takes at least 40 ms. So vectors are committed after 2 seconds of encoding, or when they fill
    64 MiB. A killed process loses at most that much work.

    Args:
        lake: The lake of the table.
        encoder: The key of the vectors.
        commit: Metadata of the commit, for the table's history.

    Attributes:
        written: Number of added vectors.
    """

    def __init__(self, lake: Lake, encoder: str, commit: dict[str, str]) -> None:
        self._vectors, self._without = (writer(lake, key, commit) for key in (encoder, _partition_without(encoder)))
        self._waiting: list[pl.DataFrame] = []  # id, vector, and whether the text has a vector
        self._last = time.monotonic()
        self.written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._commit()  # also after an error, so that encoded texts are not encoded again

    def keys(self) -> pl.DataFrame:
        """Return the ids that are encoded already: one column, `id`."""
        return pl.concat([self._vectors.keys(), self._without.keys()]).unique()

    def add(self, ids: list[str], vectors: np.ndarray) -> None:
        """Add vectors (`[n, d]` float32, zeros for a text without a vector) of ids that are not in the table."""
        self._waiting.append(rows(ids, vectors).with_columns(has=pl.Series(vectors.any(axis=1))))
        size = sum(len(frame) for frame in self._waiting) * vectors.shape[1] * vectors.itemsize
        if size >= _COMMIT_BYTES or time.monotonic() - self._last >= _COMMIT_S:
            self._commit()

    def _commit(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = pl.concat(self._waiting), []
        vectors, without = (waiting.filter(pl.col("has") == has).drop("has") for has in (True, False))
        if without.height:
            self._without.add(without.with_columns(vector=pl.lit([], dtype=pl.List(pl.Float32))))
        if vectors.height:
            self.written += self._vectors.add(vectors)
        self._last = time.monotonic()


def writer(lake: Lake, encoder: str, commit: dict[str, str]) -> Keyed:
    """Return a writer of an encoder's vectors that keeps one vector per id, even if other processes also write."""
    return lake.keyed(TABLE, ("encoder", encoder), "id", commit)


def rows(ids: list[str], vectors: np.ndarray) -> pl.DataFrame:
    """Return vectors (`[n, d]` float32) as rows of the table."""
    return pl.DataFrame({"id": ids, "vector": vectors})


def add(lake: Lake, encoder: str, ids: list[str], vectors: np.ndarray, commit: dict[str, str]) -> int:
    """Write the vectors (`[n, d]` float32) of ids that have none yet, in one commit, and return their number."""
    return writer(lake, encoder, commit).add(rows(ids, vectors))


def _file(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return a memory-mapped matrix. Disk space is allocated first: a full disk would kill the writer, not raise."""
    matrix = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return matrix


def _require_unit_length(table: TableRef, encoder: str, ids: pl.Series, vectors: np.ndarray) -> None:
    """Refuse vectors that were changed by bit errors on a disk: readers of Parquet files check no checksum."""
    wrong = np.flatnonzero(~(np.abs(np.linalg.norm(vectors, axis=1) - 1) < LENGTH_TOLERANCE))
    if len(wrong):
        what = f"{len(wrong)} vectors of encoder {encoder} are not of length 1, first that of {ids[int(wrong[0])]}"
        raise BadInput(table.path, what, REPAIR)


def load(table: TableRef, encoder: str, ids: pl.Series | list[str], into: Path | None = None) -> np.ndarray:
    """Return the vectors in the order of the ids: `[len(ids), d]`, float32, memory-mapped at `into` where given.

    Raises:
        LookupError: An id has no vector, or several vectors.
        BadInput: A vector does not have length 1: its file is damaged.
    """
    ids = pl.Series(ids, dtype=pl.String)
    if ids.n_unique() < len(ids):
        assert into is None
        once = ids.unique(maintain_order=True)
        repeated: np.ndarray = load(table, encoder, once)[IdIndex.of(once).find(ids)]
        return repeated
    index = IdIndex.of(ids)
    filled = np.zeros(len(ids), np.int8)
    matrix: np.ndarray | None = None
    for batch in batches(table.scan().filter(pl.col("encoder") == encoder).select("id", "vector"), _BATCH):
        places = index.find(batch["id"])
        requested = batch.filter(pl.Series(places >= 0))
        if not requested.height:
            continue
        vectors = vectors_of(requested)
        _require_unit_length(table, encoder, requested["id"], vectors)
        if matrix is None:
            shape = (len(ids), vectors.shape[1])
            matrix = np.empty(shape, np.float32) if into is None else _file(into, shape)
        rows = places[places >= 0]
        np.add.at(filled, rows, 1)
        matrix[rows] = vectors
        if into is not None:  # map the file again for each batch, so that written pages do not count as process memory
            matrix = np.lib.format.open_memmap(into, "r+")
    for bad, what in ((filled == 0, "no vector"), (filled > 1, "several vectors")):
        wrong = np.flatnonzero(bad)
        if len(wrong):
            raise LookupError(
                f"{len(wrong)} of {len(ids)} ids have {what} of encoder {encoder}, first {ids[int(wrong[0])]}. {REPAIR}"
            )
    assert matrix is not None
    return matrix
