"""Payloads: whole rows of a source as bytes, stored with their texts and exported unchanged.

Belongs here: converting rows to bytes and back. Does not: the text of a row (`rendering.py`), or the table (`pool.py`).

The payload of a text format (JSON lines) is the line, so that key order, large numbers and absent keys are preserved.
The payload of a typed format (Parquet, Delta, a data set) is an Arrow record batch of one row; the schema, which the
rows of a file share, is stored separately.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from getmore_assets.corpus.identity import ID_BYTES
from getmore_assets.json_models import JsonObject

if TYPE_CHECKING:
    import pyarrow as pa

#: The pool's columns of a payload: its bytes, its Arrow schema (null for a line of JSON), a hash of both.
SCHEMA = {"payload": pl.Binary, "payload_schema": pl.Binary, "payload_hash": pl.String}
#: White space around a JSON value (RFC 8259, section 2).
JSON_SPACE = " \t\r\n"
#: The prefix of these columns in frames that also have a source's own columns.
PREFIX = "#"


class NoCommonFormError(ValueError):
    """Raised for rows that one table, or a line of JSON, cannot represent unchanged."""


@dataclass(frozen=True)
class Payload:
    """One row of a source.

    Attributes:
        row: A line of JSON in UTF-8, or an Arrow record batch message of one row.
        schema: The Arrow schema of the record batch, serialised; None for JSON.
    """

    row: bytes
    schema: bytes | None = None

    @property
    def is_json(self) -> bool:
        """Whether the row is a line of JSON, not an Arrow row."""
        return self.schema is None

    def columns(self) -> tuple[str, ...] | None:
        """Return the column names of an Arrow row; None for JSON."""
        return None if self.schema is None else tuple(_schema(self.schema).names)

    def line(self) -> str:
        """Return the row as a line of JSON without line end.

        Raises:
            NoCommonFormError: The row has values that JSON cannot represent: bytes, dates, infinity.
        """
        if self.is_json:
            return self.row.decode("utf-8")
        row = self.value()
        for column, value in row.items():
            if unsupported := _no_json(value):
                raise NoCommonFormError(f"`{column}` holds {unsupported}, which JSON cannot")
        return json.dumps(row, ensure_ascii=False, allow_nan=False)

    def value(self) -> JsonObject:
        """Return the row as a dict of Python values."""
        if self.is_json:
            row: JsonObject = json.loads(self.row)
            return row
        return dict(self._table().to_pylist()[0])

    def _table(self) -> "pa.Table":
        import pyarrow as pa

        assert self.schema is not None
        schema = _schema(self.schema)
        return pa.Table.from_batches([pa.ipc.read_record_batch(pa.py_buffer(self.row), schema)])


def of_table(rows: "pa.Table") -> pl.DataFrame:
    """Return the payloads of a table's rows, in order: the columns of `SCHEMA`."""
    plain = _without_dictionaries(rows).combine_chunks()
    schema = plain.schema.serialize().to_pybytes()
    pieces = [
        batch.slice(at, 1).serialize().to_pybytes() for batch in plain.to_batches() for at in range(batch.num_rows)
    ]
    # The hash is of the values, because the bytes of a batch include padding and the memory under nulls.
    hashes = [_hash(schema, repr(row).encode("utf-8", "surrogatepass")) for row in plain.to_pylist()]
    return _columns(pieces, [schema] * len(pieces), hashes)


def of_lines(lines: Sequence[str]) -> pl.DataFrame:
    """Return the payloads of lines of JSON, in order: the columns of `SCHEMA`."""
    rows = [line.strip(JSON_SPACE).encode("utf-8") for line in lines]
    return _columns(rows, [None] * len(rows), [_hash(b"", row) for row in rows])


def of_columns(rows: pl.DataFrame) -> list[Payload]:
    """Return the payloads of rows with the columns of `SCHEMA`; every row must have a payload."""
    return [Payload(row, schema) for row, schema in rows.select("payload", "payload_schema").iter_rows()]


def table(rows: Sequence[Payload]) -> "pa.Table":
    """Return rows as one Arrow table, in order; rows of typed formats keep their types.

    The types of lines of JSON are inferred, and absent keys are null.

    Raises:
        NoCommonFormError: A column has two types.
    """
    import pyarrow as pa

    try:
        if all(row.is_json for row in rows):
            return pa.Table.from_pylist(_aligned([row.value() for row in rows]))
        if any(row.is_json for row in rows):
            raise NoCommonFormError("some rows are of a typed format and some are lines of JSON")
        return pa.concat_tables([row._table() for row in rows], promote_options="default").combine_chunks()
    except (pa.ArrowException, OverflowError) as error:
        raise NoCommonFormError(f"a column is of two types ({str(error).splitlines()[0]})") from None


def _aligned(rows: list[JsonObject]) -> list[JsonObject]:
    """Add every column to the first row, because Arrow takes the columns of the first row."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [dict.fromkeys(names) | rows[0], *rows[1:]] if rows else rows


def _columns(rows: list[bytes], schemas: Sequence[bytes | None], hashes: list[str]) -> pl.DataFrame:
    return pl.DataFrame(dict(zip(SCHEMA, (rows, schemas, hashes), strict=True)), schema=SCHEMA)


def _hash(schema: bytes, row: bytes) -> str:
    """Return a 128-bit hash, in hex, that is equal if and only if types and values are."""
    state = hashlib.blake2b(schema, digest_size=ID_BYTES)
    state.update(len(schema).to_bytes(8, "big") + row)
    return state.hexdigest()


def _without_dictionaries(rows: "pa.Table") -> "pa.Table":
    """Return the table with dictionary-encoded columns decoded, at any depth, as a row cannot contain a dictionary."""
    import pyarrow as pa

    for at, field in enumerate(rows.schema):
        if (plain := _plain_type(field.type)) != field.type:
            column = rows.column(at)
            values = (
                column.cast(plain)
                if pa.types.is_dictionary(field.type)
                else pa.chunked_array([pa.array(chunk.to_pylist(), plain) for chunk in column.chunks], plain)
            )
            rows = rows.set_column(at, field.with_type(plain), values)
    return rows


def _plain_type(kind: Any) -> Any:
    """Return an Arrow type without dictionary encoding."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    for is_list, make in ((pa.types.is_list, pa.list_), (pa.types.is_large_list, pa.large_list)):
        if is_list(kind):
            return make(kind.value_field.with_type(_plain_type(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_plain_type(kind.value_type)), kind.list_size)
    if pa.types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_type(kind.item_type), kind.keys_sorted)
    return kind


@lru_cache(maxsize=64)
def _schema(serialised: bytes) -> "pa.Schema":
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(serialised))


def _no_json(value: Any) -> str | None:
    """Return the first type in a value that JSON cannot represent, or None."""
    if isinstance(value, float):
        return None if math.isfinite(value) else "infinity or NaN"
    if value is None or isinstance(value, str | bool | int):
        return None
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return next((unsupported for part in parts if (unsupported := _no_json(part))), None)
    return "bytes" if isinstance(value, bytes) else f"a {type(value).__name__}"
