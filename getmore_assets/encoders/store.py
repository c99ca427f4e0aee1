"""The table `embeddings`: one vector per content id and encoder.

Belongs here: listing ids with a vector, adding vectors, and reading vectors in a given order. Does not: encoding.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from getmore_assets.corpus.id_index import IdIndex
from getmore_assets.delta_commits import Buffered, Keyed
from getmore_assets.errors import REPAIR, BadInput
from getmore_assets.lake import Lake, TableRef
from getmore_assets.pieces import batches, vectors_of

TABLE = "embeddings"
_BATCH = 8192
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

    Args:
        lake: The lake of the table.
        encoder: The key of the vectors.
        commit: Metadata of the commits, for the table's history.
    """

    def __init__(self, lake: Lake, encoder: str, commit: dict[str, str]) -> None:
        self._tables = [writer(lake, key, commit) for key in (encoder, _partition_without(encoder))]
        self._vectors, self._without = map(Buffered, self._tables)

    def __enter__(self) -> Self:
        for table in self._tables:
            table.look()
        return self

    def __exit__(self, *_: object) -> None:
        with self._vectors, self._without:  # also after an error, so that encoded texts are not encoded again
            pass

    @property
    def written(self) -> int:
        """Number of added vectors."""
        return self._vectors.written

    def lacks(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows whose `id` is not encoded yet."""
        encoded = [table.knows(rows["id"]) for table in self._tables]
        return rows.filter(pl.Series(~(encoded[0] | encoded[1])))

    def add(self, ids: list[str], vectors: np.ndarray) -> None:
        """Add vectors (`[n, d]` float32, zeros for a text without a vector) of ids that are not in the table."""
        has, new = pl.Series(vectors.any(axis=1)), rows(ids, vectors)
        self._vectors.add(new.filter(has))
        self._without.add(new.filter(~has).with_columns(vector=pl.lit([], dtype=pl.List(pl.Float32))))


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
    try:
        index = IdIndex.of(ids)
    except ValueError:  # an id is repeated
        assert into is None
        once = ids.unique(maintain_order=True)
        repeated: np.ndarray = load(table, encoder, once)[IdIndex.of(once).find(ids)]
        return repeated
    return load_indexed(table, encoder, index, ids.__getitem__, into)


def load_indexed(
    table: TableRef, encoder: str, index: IdIndex, id_at: Callable[[int], str], into: Path | None = None
) -> np.ndarray:
    """Return the vectors of the ids in an index: `[n, d]`, as `load`.

    Args:
        table: The table of vectors.
        encoder: The key of the vectors.
        index: The position of each id.
        id_at: Returns the id at a position, for messages.
        into: The file to map; None for memory.
    """
    filled = np.zeros(len(index), np.int8)
    matrix: np.ndarray | None = None
    for batch in batches(table.scan().filter(pl.col("encoder") == encoder).select("id", "vector"), _BATCH):
        places = index.find(batch["id"])
        requested = batch.filter(pl.Series(places >= 0))
        if not requested.height:
            continue
        vectors = vectors_of(requested)
        _require_unit_length(table, encoder, requested["id"], vectors)
        if matrix is None:
            shape = (len(index), vectors.shape[1])
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
                f"{len(wrong)} of {len(index)} ids have {what} of encoder {encoder}, first {id_at(int(wrong[0]))}. "
                f"{REPAIR}"
            )
    assert matrix is not None
    return matrix
