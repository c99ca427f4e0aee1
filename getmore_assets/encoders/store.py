"""`embeddings`: one vector per content id and encoder.

Belongs here: which ids lack a vector, adding vectors, and reading them back in a wanted order. Does not: encoding.
"""

import os
import time
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from getmore_assets.commits import Keyed
from getmore_assets.corpus.id_index import IdIndex
from getmore_assets.errors import REPAIR, BadInput
from getmore_assets.lake import Lake, TableRef, batches, vectors_of

TABLE = "embeddings"
_BATCH = 8192
_COMMIT_S, _COMMIT_BYTES = 2.0, 2**26
LENGTH_TOLERANCE = 1e-3  # of a vector whose length is 1


def fitted_file(lake: Lake, encoder: str) -> Path:
    """Where an encoder that is fitted to its pool is kept."""
    return lake.folder("encoders") / f"{encoder}.safetensors"


def encoded_ids(table: TableRef | None, encoder: str) -> pl.DataFrame:
    """The ids that have a vector: one column, `id`."""
    if table is None:
        return pl.DataFrame(schema={"id": pl.String})
    return table.scan().filter(pl.col("encoder") == encoder).select("id").collect()


def without_vector(table: TableRef | None, encoder: str) -> pl.DataFrame:
    """Return the ids of texts that say nothing to the encoder, and so have no vector: one column, `id`."""
    return encoded_ids(table, _nothing(encoder))


def _nothing(encoder: str) -> str:
    """The partition of texts without a vector: a reader of vectors need not look at them."""
    return f"{encoder}-without"


class Writer:
    """Writes vectors of an encoder, and which texts have none: a context that ends with a commit.

    A commit takes 40 ms however few rows it has. So vectors wait for one another for 2 seconds of encoding, or until
    they fill 64 MiB: that much work is lost where the process is killed.

    Args:
        lake: Where the table is.
        encoder: The key of the vectors.
        commit: Who writes, for the table's history.

    Attributes:
        written: Vectors that were not there and are now.
    """

    def __init__(self, lake: Lake, encoder: str, commit: dict[str, str]) -> None:
        self._vectors, self._without = (writer(lake, key, commit) for key in (encoder, _nothing(encoder)))
        self._waiting: list[pl.DataFrame] = []  # id, vector, and whether it is one
        self._last = time.monotonic()
        self.written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._commit()  # after an error too: what was encoded need not be again

    def keys(self) -> pl.DataFrame:
        """Return the ids that need not be encoded again: one column, `id`."""
        return pl.concat([self._vectors.keys(), self._without.keys()]).unique()

    def add(self, ids: list[str], vectors: np.ndarray) -> None:
        """Take in vectors (`[n, d]` float32, zeros for none) of ids that are not there."""
        self._waiting.append(rows(ids, vectors).with_columns(has=pl.Series(vectors.any(axis=1))))
        size = sum(len(one) for one in self._waiting) * vectors.shape[1] * vectors.itemsize
        if size >= _COMMIT_BYTES or time.monotonic() - self._last >= _COMMIT_S:
            self._commit()

    def _commit(self) -> None:
        if not self._waiting:
            return
        found, self._waiting = pl.concat(self._waiting), []
        vectors, without = (found.filter(pl.col("has") == has).drop("has") for has in (True, False))
        if without.height:
            self._without.add(without.with_columns(vector=pl.lit([], dtype=pl.List(pl.Float32))))
        if vectors.height:
            self.written += self._vectors.add(vectors)
        self._last = time.monotonic()


def writer(lake: Lake, encoder: str, commit: dict[str, str]) -> Keyed:
    """Return what writes vectors of an encoder: one for each id, whoever else writes them meanwhile."""
    return lake.keyed(TABLE, ("encoder", encoder), "id", commit)


def rows(ids: list[str], vectors: np.ndarray) -> pl.DataFrame:
    """Return vectors (`[n, d]` float32) as the table keeps them."""
    return pl.DataFrame({"id": ids, "vector": vectors})


def add(lake: Lake, encoder: str, ids: list[str], vectors: np.ndarray, commit: dict[str, str]) -> int:
    """Write the vectors (`[n, d]` float32) of ids that have none yet, in one commit; returns how many they were."""
    return writer(lake, encoder, commit).add(rows(ids, vectors))


def _file(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """A matrix in a file whose room is there: writing to one on a full disk would kill the process, not raise."""
    matrix = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return matrix


def _require_unit_length(table: TableRef, encoder: str, ids: pl.Series, vectors: np.ndarray) -> None:
    """Refuse what bits that turned on a disk leave: Parquet files have no checksum that is read."""
    wrong = np.flatnonzero(~(np.abs(np.linalg.norm(vectors, axis=1) - 1) < LENGTH_TOLERANCE))
    if len(wrong):
        what = f"{len(wrong)} vectors of encoder {encoder} are not of length 1, first that of {ids[int(wrong[0])]}"
        raise BadInput(table.path, what, REPAIR)


def load(table: TableRef, encoder: str, ids: pl.Series | list[str], into: Path | None = None) -> np.ndarray:
    """The vectors of the ids, in their order: `[len(ids), d]`, float32, memory-mapped at `into` where given.

    Raises:
        LookupError: An id has no vector, or two.
        BadInput: A vector is not of length 1: its file is damaged.
    """
    ids = pl.Series(ids, dtype=pl.String)
    if ids.n_unique() < len(ids):
        assert into is None
        once = ids.unique(maintain_order=True)
        found: np.ndarray = load(table, encoder, once)[IdIndex.of(once).find(ids)]
        return found
    index = IdIndex.of(ids)
    filled = np.zeros(len(ids), np.int8)
    matrix: np.ndarray | None = None
    for batch in batches(table.scan().filter(pl.col("encoder") == encoder).select("id", "vector"), _BATCH):
        places = index.find(batch["id"])
        met = batch.filter(pl.Series(places >= 0))
        if not met.height:
            continue
        vectors = vectors_of(met)
        _require_unit_length(table, encoder, met["id"], vectors)
        if matrix is None:
            shape = (len(ids), vectors.shape[1])
            matrix = np.empty(shape, np.float32) if into is None else _file(into, shape)
        rows = places[places >= 0]
        np.add.at(filled, rows, 1)
        matrix[rows] = vectors
        if into is not None:  # mapped anew for each batch: what is written and let go is not this process's memory
            matrix = np.lib.format.open_memmap(into, "r+")
    for bad, what in ((filled == 0, "no vector"), (filled > 1, "several vectors")):
        wrong = np.flatnonzero(bad)
        if len(wrong):
            raise LookupError(
                f"{len(wrong)} of {len(ids)} ids have {what} of encoder {encoder}, first {ids[int(wrong[0])]}. {REPAIR}"
            )
    assert matrix is not None
    return matrix
