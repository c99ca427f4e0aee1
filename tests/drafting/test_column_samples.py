"""Columns that are no texts are not taken for texts, and none of them trips the look at a table."""

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from getmore_assets.drafting.column_roles import label_of, text_of
from getmore_assets.drafting.column_samples import look
from getmore_assets.drafting.files import find
from getmore_assets.errors import BadInput

ROWS = 40
TEXTS = [f"Cell number {n} divides and grows." for n in range(ROWS)]


def table(path):
    found, _ = find([str(path)])
    assert len(found) == 1
    return look(found[0], 1000)


@pytest.mark.parametrize(
    "empty", [("part-0.jsonl",), ("part-2.jsonl",), ("part-0.jsonl", "part-2.jsonl")], ids=["first", "last", "both"]
)
def test_shards_of_zero_bytes_do_not_hide_the_columns_of_the_full_ones(tmp_path, empty):
    for n in range(3):
        pl.DataFrame({"text": TEXTS}).write_ndjson(tmp_path / f"part-{n}.jsonl")
    for name in empty:
        (tmp_path / name).write_bytes(b"")
    assert text_of(table(tmp_path)).column == "text"


def test_a_shard_of_a_header_alone_does_not_either(tmp_path):
    pl.DataFrame({"text": TEXTS, "label": ["a", "b"] * (ROWS // 2)}).write_csv(tmp_path / "part-0.csv")
    (tmp_path / "part-1.csv").write_text("text,label\n")
    assert text_of(table(tmp_path)).column == "text"


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ([timedelta(seconds=n) for n in range(ROWS)], "other"),
        ([date(2024, 1, 1 + n % 3) for n in range(ROWS)], "other"),
        ([datetime(2024, 1, 1, n % 3) for n in range(ROWS)], "other"),
        ([time(n % 3) for n in range(ROWS)], "other"),
        ([b"\xff\x00"] * ROWS, "other"),
        ([[1, 2], [3]] * (ROWS // 2), "other"),
        ([{"a": 1}] * ROWS, "other"),
        ([Decimal("1.5"), Decimal("2.5")] * (ROWS // 2), "numbers"),
        ([True, False] * (ROWS // 2), "values"),
        ([None] * ROWS, "nothing"),
        ([f'{{"url": "http://x/{n}", "title": "A long title of {n} words"}}' for n in range(ROWS)], "other"),
        ([f"2024-01-01 10:00:{n:02d}" for n in range(ROWS)], "other"),
    ],
    ids=[
        "duration",
        "date",
        "datetime",
        "time",
        "binary",
        "list",
        "struct",
        "decimal",
        "boolean",
        "null",
        "json",
        "timestamp",
    ],
)
def test_a_column_of_any_type_is_looked_at_and_none_is_taken_for_the_text(tmp_path, values, holds):
    pl.DataFrame({"odd": values, "words": TEXTS}).write_parquet(tmp_path / "pool.parquet")
    found = table(tmp_path / "pool.parquet")
    assert found.columns["odd"].holds == holds
    assert text_of(found).column == "words"
    if holds == "other":
        assert label_of(found, [], ["words"]).column is None


@pytest.mark.parametrize(
    "prompts",
    [
        ["You are a careful and helpful assistant that answers all questions at length."],
        [f"Question of kind {n}, to be answered in full and with care." for n in range(3)],
    ],
    ids=["one", "three"],
)
def test_a_system_prompt_that_repeats_is_not_the_text(tmp_path, prompts):
    rows = {"system": [prompts[n % len(prompts)] for n in range(ROWS)], "answer": TEXTS}
    pl.DataFrame(rows).write_ndjson(tmp_path / "pool.jsonl")
    assert text_of(table(tmp_path / "pool.jsonl")).column == "answer"


def test_a_table_with_nothing_but_a_constant_is_refused_with_the_reason(tmp_path):
    pl.DataFrame({"system": ["You are a helpful assistant."] * ROWS}).write_ndjson(tmp_path / "pool.jsonl")
    with pytest.raises(BadInput, match="`system` holds one value in all rows"):
        text_of(table(tmp_path / "pool.jsonl"))


@pytest.mark.parametrize("name", ["data [1]", "a*b", "what?", "[ab]"])
def test_a_folder_whose_name_looks_like_a_pattern_is_read_as_itself(tmp_path, name):
    for n in range(2):
        (tmp_path / name).mkdir(exist_ok=True)
        pl.DataFrame({"text": TEXTS}).write_ndjson(tmp_path / name / f"part-{n}.jsonl")
    found, _ = find([str(tmp_path / name)])
    assert [one.path for one in found] == [str(tmp_path / name / "part-*.jsonl")]
    assert len(found[0].files) == 2


def test_columns_of_any_type_are_looked_at(tmp_path):
    maps = pa.array([[("k", n)] for n in range(ROWS)], pa.map_(pa.string(), pa.int64()))
    pq.write_table(pa.table({"text": TEXTS, "made": maps}), tmp_path / "a.parquet")
    found = table(tmp_path)
    assert (text_of(found).column, found.columns["made"].holds) == ("text", "other")


def test_a_text_that_is_stored_by_its_distinct_values_is_a_text(tmp_path):
    pq.write_table(pa.table({"text": pa.array(TEXTS).dictionary_encode()}), tmp_path / "a.parquet")
    assert text_of(table(tmp_path)).column == "text"


@pytest.mark.parametrize("odd", [["a list"], 3, {"a": 1}])
def test_a_few_odd_values_do_not_hide_what_a_column_holds(tmp_path, odd):
    rows = [*({"text": text, "label": f"l{n % 2}"} for n, text in enumerate(TEXTS)), {"text": odd, "label": odd}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = table(tmp_path)
    assert text_of(found).column == "text"
    assert found.columns["text"].filled < 1
    assert label_of(found, [], ["text"]).column == "label"


def test_columns_that_only_some_files_have_are_told(tmp_path):
    pl.DataFrame({"text": TEXTS, "note": TEXTS}).write_ndjson(tmp_path / "a-1.jsonl")
    pl.DataFrame({"text": TEXTS}).write_ndjson(tmp_path / "a-2.jsonl")
    assert table(tmp_path).partly == ("note",)


@pytest.mark.parametrize("header", ["text,2019,2020", "text,inf,nan"])
def test_years_may_name_columns(tmp_path, header):
    (tmp_path / "a.csv").write_text(header + "\n" + "".join(f"{text},1,2\n" for text in TEXTS))
    assert text_of(table(tmp_path)).column == "text"


@pytest.mark.parametrize("splits", ['{"splits": 5}', '["a"]', '{"splits": null}', "5"])
def test_a_saved_data_set_whose_list_of_splits_is_none_is_refused(tmp_path, splits):
    (tmp_path / "dataset_dict.json").write_text(splits)
    with pytest.raises(BadInput, match="not what `save_to_disk` writes"):
        find([str(tmp_path)])


def test_a_link_to_nothing_is_left_out_and_said(tmp_path):
    pl.DataFrame({"text": TEXTS}).write_ndjson(tmp_path / "a.jsonl")
    (tmp_path / "dead.jsonl").symlink_to("nowhere")
    found, left = find([str(tmp_path)])
    assert [one.path for one in found] == [str(tmp_path / "a.jsonl")]
    assert left == {str(tmp_path / "dead.jsonl"): "a broken link"}
