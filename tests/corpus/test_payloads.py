import datetime
import decimal
import json

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from getmore_assets.corpus import payloads
from getmore_assets.corpus.payloads import NoCommonFormError

LINES = [
    '{"b": 1, "a": {"z": null, "y": [[1, 2], []]}, "n": 12345678901234567890123, "f": 1e-7, "s": "é\\u0000\\u2028"}',
    '{"a":{"y":[],"z":"x"},  "b":-0.0}',
]


def kept(frame):
    """The payloads of a frame, after a Parquet file as the pool keeps them."""
    assert frame.schema == payloads.SCHEMA
    return payloads.of_columns(frame)


@pytest.fixture
def rows():
    """A table of every kind of type that a row may have, with a schema that says more than its types."""
    kinds = {
        "messages": pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.large_string())])),
        "big": pa.int64(),
        "small": pa.uint8(),
        "half": pa.float16(),
        "share": pa.float64(),
        "when": pa.timestamp("s", "UTC"),
        "price": pa.decimal128(20, 4),
        "raw": pa.binary(),
        "fixed": pa.list_(pa.float32(), 2),
        "map": pa.map_(pa.string(), pa.int64()),
        "nothing": pa.null(),
        "image": pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())]),
    }
    schema = pa.schema([pa.field(n, k) for n, k in kinds.items()], metadata={b"huggingface": b'{"info": {}}'})
    filled = {
        "messages": [{"role": "user", "content": "猫"}, None, {"role": None, "content": None}],
        "big": 2**63 - 1,
        "small": 255,
        "half": 0.5,
        "share": 0.1 + 0.2,
        "when": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        "price": decimal.Decimal("12.3400"),
        "raw": b"\x00\xff",
        "fixed": [1.5, None],
        "map": [("k", 1), ("j", None)],
        "image": {"bytes": b"\x89PNG", "path": None},
    }
    return pa.Table.from_pylist([filled, {}, filled | {"image": None, "messages": []}], schema=schema)


def test_rows_of_typed_formats_come_back_with_their_types_to_the_bit(rows):
    back = payloads.table(kept(payloads.of_table(rows)))
    assert back.equals(rows, check_metadata=True)
    shuffled = [kept(payloads.of_table(rows))[at] for at in (2, 0)]
    assert payloads.table(shuffled).equals(rows.take([2, 0]), check_metadata=True)


def test_a_row_survives_a_delta_table(rows, tmp_path):
    frame = payloads.of_table(rows)
    frame.write_delta(str(tmp_path / "t"))
    assert payloads.table(kept(pl.read_delta(str(tmp_path / "t")))).equals(rows, check_metadata=True)


def test_slices_and_chunks_hold_their_own_rows_alone(rows):
    many = pa.concat_tables([rows.slice(1, 1), rows, rows.slice(2)])
    assert payloads.table(kept(payloads.of_table(many))).equals(many.combine_chunks())
    assert payloads.of_table(rows.slice(1, 1))["payload"][0] == payloads.of_table(rows)["payload"][1]


def test_columns_of_dictionaries_come_back_as_their_values(rows):
    plain = pa.table({"label": ["a", "b", "a", None]})
    coded = plain.set_column(0, "label", plain["label"].combine_chunks().dictionary_encode())
    assert payloads.table(kept(payloads.of_table(coded))).equals(plain)


def test_lines_of_json_come_back_as_they_stood():
    frame = payloads.of_lines([line + "\r\n" for line in LINES])
    assert [one.line() for one in kept(frame)] == LINES
    assert [one.value() for one in kept(frame)] == [json.loads(line) for line in LINES]
    assert frame["payload_schema"].null_count() == 2


def test_the_hash_tells_rows_apart_and_nothing_else(rows):
    again = payloads.of_table(pa.concat_tables([rows, rows]))["payload_hash"]
    assert again[:3].equals(again[3:])
    assert again.n_unique() == 3
    wider = rows.set_column(1, "big", rows["big"].cast(pa.decimal128(38, 0)))
    assert not set(payloads.of_table(wider)["payload_hash"]) & set(again)
    lines = payloads.of_lines([*LINES, f" {LINES[0]}\n", LINES[0].replace("1e-7", "1e-07")])["payload_hash"]
    assert (lines[0] == lines[2], lines.n_unique()) == (True, 3)


def test_a_typed_row_is_a_line_of_json_where_json_has_its_values():
    row = {"m": [{"role": "user", "content": "猫\n"}], "n": 2**63 - 1, "x": 0.1, "none": None, "t": True}
    (payload,) = kept(payloads.of_table(pa.Table.from_pylist([row])))
    assert json.loads(payload.line()) == row
    assert list(json.loads(payload.line())) == list(row)
    assert "猫" in payload.line()


@pytest.mark.parametrize(
    ("value", "odd"),
    [
        ({"image": {"bytes": b"x"}}, "`c` holds bytes"),
        ([datetime.date(2026, 1, 1)], "`c` holds a date"),
        ([1.0, float("nan")], "`c` holds infinity or NaN"),
    ],
)
def test_a_typed_row_that_json_cannot_hold_is_refused(value, odd):
    (payload,) = kept(payloads.of_table(pa.Table.from_pylist([{"a": 1, "c": value}])))
    with pytest.raises(NoCommonFormError, match=odd):
        payload.line()


def test_lines_of_json_become_a_table_with_null_for_what_a_line_has_not():
    frame = payloads.of_lines(['{"a": [{"x": 1}]}', '{"b": "2026-01-02T03:04:05", "a": [{"y": "z", "x": null}]}'])
    assert payloads.table(kept(frame)).to_pylist() == [
        {"a": [{"x": 1, "y": None}], "b": None},
        {"a": [{"x": None, "y": "z"}], "b": "2026-01-02T03:04:05"},
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ['{"a": 1}', '{"a": "x"}'],
        ['{"a": []}', '{"a": "x"}'],
        ['{"a": "x"}', '{"a": {}}'],
        ['{"a": 99999999999999999999}'],
    ],
)
def test_lines_whose_values_are_of_two_types_become_no_table(lines):
    with pytest.raises(NoCommonFormError, match="of two types"):
        payloads.table(kept(payloads.of_lines(lines)))


def test_files_of_one_source_may_differ_in_a_column_that_is_all_null(tmp_path):
    pq.write_table(pa.table({"a": ["x"], "b": pa.nulls(1)}), tmp_path / "1.parquet")
    first, second = pq.read_table(tmp_path / "1.parquet"), pa.table({"a": ["y"], "b": [3]})
    both = [*kept(payloads.of_table(first)), *kept(payloads.of_table(second))]
    assert payloads.table(both).to_pylist() == [{"a": "x", "b": None}, {"a": "y", "b": 3}]
    with pytest.raises(NoCommonFormError, match="of two types"):
        payloads.table([*both, *kept(payloads.of_table(pa.table({"b": ["text"]})))])
    with pytest.raises(NoCommonFormError, match="some rows are of a typed format"):
        payloads.table([*both, *kept(payloads.of_lines(['{"a": "x"}']))])
