"""A damaged Parquet page: the refusal names its file and row group, alone or in a Delta table."""

import polars as pl
import pyarrow.parquet
import pytest

from getmore_assets.config import Source
from getmore_assets.corpus import readers
from getmore_assets.errors import BadInput

FINE = pl.DataFrame({"text": ["A row of text."]})


def read(path, **fields) -> pl.DataFrame:
    return pl.concat(readers.read(Source(path=str(path), **fields)))


@pytest.mark.parametrize("whole_rows", [False, True])
def test_a_damaged_parquet_page_is_named_by_its_row_group(tmp_path, whole_rows):
    path = tmp_path / "rows.parquet"
    rows = pl.DataFrame({"text": [f"row {n * 7919 % 100_003}" for n in range(3000)]})
    rows.write_parquet(path, row_group_size=1000, compression="zstd")
    column = pyarrow.parquet.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    middle = column.data_page_offset + column.total_compressed_size // 2
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(content)
    place = r"rows\.parquet: row group 2 of 3 \(rows 1,001 to 2,000\): "
    with pytest.raises(BadInput, match=place):
        read(path, whole_rows=whole_rows)


def test_a_damaged_file_of_a_delta_table_is_named_by_its_row_group(tmp_path):
    table = tmp_path / "table"
    FINE.write_delta(table)
    pl.DataFrame({"text": [f"row {n * 7919 % 100_003}" for n in range(3000)]}).write_delta(table, mode="append")
    file = max(table.glob("*.parquet"), key=lambda one: one.stat().st_size)
    content = bytearray(file.read_bytes())
    content[2000:4000] = bytes(2000)
    file.write_bytes(content)
    with pytest.raises(BadInput, match=rf"{file.name}: row group 1 of 1 \(rows 1 to 3,000\): "):
        read(table)
    file.unlink()
    with pytest.raises(BadInput, match=rf"{file.name}: "):
        read(table)
