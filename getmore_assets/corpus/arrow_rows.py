"""Rows of typed formats as Arrow tables, with every column in its type on disk.

Belongs here: reading rows that are kept whole. Does not: reading only the fields, with Polars types (`formats.py`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from getmore_assets.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1024  # rows; small, because each row is in memory several times


def of_parquet(path: Path) -> Iterator["pa.Table"]:
    """Yield the rows of a Parquet file, in order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    require_unique_columns(path)
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH):
            yield pa.Table.from_batches([batch], file.schema_arrow)


def require_unique_columns(path: Path) -> None:
    """Require that the columns of a Parquet file have different names: a reader would return only one of two.

    Raises:
        BadInput: Two columns have the same name.
    """
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise BadInput(str(path), f"two columns are called `{repeated}`", "Rename one")


def of_delta(path: Path, version: int | None) -> Iterator["pa.Table"]:
    """Yield the rows of a Delta table, in the order of its files.

    Raises:
        BadInput: A column is a map, which Polars reads as a list of pairs.
    """
    from deltalake import DeltaTable
    from deltalake.schema import MapType

    fields = DeltaTable(path, version=version).schema().fields
    if maps := [field.name for field in fields if isinstance(field.type, MapType)]:
        raise BadInput(str(path), f"column `{maps[0]}` is a map, which is not kept whole", "Write it as Parquet files")
    frame = pl.scan_delta(str(path), version=version)
    for batch in frame.collect_batches(chunk_size=_BATCH, maintain_order=True):
        yield batch.to_arrow(compat_level=pl.CompatLevel.oldest())


def of_dataset(loaded: Any) -> Iterator["pa.Table"]:
    """Yield the rows of a Hugging Face data set, in order, with its features in the schema and nothing decoded."""
    yield from loaded.with_format("arrow").iter(batch_size=_BATCH)
