"""Files of strangers that were once read wrongly without a word, or ended in a traceback: read right, or refused."""

import json

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from getmore_assets.config import Source
from getmore_assets.corpus import readers
from getmore_assets.corpus.file_lists import resolve
from getmore_assets.corpus.payloads import of_columns
from getmore_assets.corpus.reading import Reading
from getmore_assets.errors import BadInput

FINE = {"text": "A row of text."}


def read(path, **fields):
    source = Source(path=str(path), **fields)
    reading = Reading(source)
    return pl.concat(readers.read(source, reading=reading)), reading


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def parquet(path, *texts):
    path.parent.mkdir(exist_ok=True)
    pl.DataFrame({"text": texts}).write_parquet(path)
    return path


@pytest.mark.parametrize("name", ["a[1].parquet", "a*.parquet", "a?.parquet", "data[1]/x.parquet"])
def test_a_name_of_a_parquet_file_is_no_pattern(tmp_path, name):
    for other in ("a1.parquet", "ab.parquet", "data1/x.parquet"):
        parquet(tmp_path / other, "of another file")
    path = parquet(tmp_path / name, "its own")
    for whole in (False, True):
        assert read(path, whole_rows=whole)[0]["text"].to_list() == ["its own"]


def test_a_folder_of_names_that_look_like_patterns_has_each_row_once(tmp_path):
    for name in ("a*.parquet", "a?.parquet", "ab.parquet"):
        parquet(tmp_path / name, name)
    assert sorted(read(tmp_path)[0]["text"]) == ["a*.parquet", "a?.parquet", "ab.parquet"]


def test_a_split_that_is_not_there_or_means_nothing_is_refused(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": ["a b"]}, split="train").save_to_disk(str(tmp_path / "d"))
    assert read(tmp_path / "d")[0].height == read(tmp_path / "d", split="train")[0].height == 1
    with pytest.raises(BadInput, match="no split `test`: it is one data set, `train`"):
        read(tmp_path / "d", split="test")
    parquet(tmp_path / "snap" / "train-0.parquet", "a")
    for given in ({"split": "train"}, {"config": "en"}):
        with pytest.raises(BadInput, match=f"`{next(iter(given))}` is given, but the source is parquet"):
            read(tmp_path / "snap", **given)


def test_folders_that_two_stars_do_not_enter_are_told(tmp_path):
    (tmp_path / "real").mkdir()
    lines(tmp_path / "real" / "a.jsonl", FINE)
    (tmp_path / "top").mkdir()
    lines(tmp_path / "top" / "b.jsonl", FINE)
    (tmp_path / "top" / "sub").symlink_to("../real")
    found = resolve(Source(path=f"{tmp_path}/top/**/*.jsonl"))
    assert [path.name for path in found.paths] == ["b.jsonl"]
    assert found.left_out == {f"{tmp_path}/top/sub/": "is a link to a folder: name that folder as a source"}


@pytest.mark.parametrize("name", ["q.jsonl?x.jsonl", "a#b.jsonl", "a b.jsonl", "100%.jsonl"])
def test_a_url_of_a_file_means_the_file_of_that_name(tmp_path, name):
    lines(tmp_path / name, FINE)
    lines(tmp_path / "q.jsonl", {"text": "of another file"})
    assert read(f"file://{tmp_path}/{name}")[0]["text"].to_list() == [FINE["text"]]
    with pytest.raises(BadInput, match="names another machine, `host`"):
        read(f"file://host{tmp_path}/{name}")


@pytest.mark.parametrize(
    ("name", "domain"),
    [("news.en.jsonl", "news.en"), (".hid.jsonl", ".hid"), ("v1.2.jsonl.gz", "v1.2"), ("plain.jsonl", "plain")],
)
def test_the_domain_of_a_file_is_its_name_without_what_tells_the_format(tmp_path, name, domain):
    import gzip

    content = (json.dumps(FINE) + "\n").encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert read(tmp_path / name)[0]["domain"].to_list() == [domain]


@pytest.mark.parametrize("bad", [None, " ", float("nan")])
def test_a_batch_without_any_good_label_is_refused_or_skipped(tmp_path, bad):
    path = lines(tmp_path / "a.jsonl", {**FINE, "label": bad})
    with pytest.raises(BadInput, match="`label` is"):
        read(path, label="label")
    assert read(path, label="label", bad_rows="skip")[0].height == 0
    many = lines(
        tmp_path / "b.jsonl", *({"text": f"row {n}", "label": "x"} for n in range(8192)), {**FINE, "label": bad}
    )
    assert read(many, label="label", bad_rows="skip")[0].height == 8192


def test_among_texts_an_object_or_messages_are_what_is_wrong_with_a_row(tmp_path):
    said = [{"role": "user", "content": "x"}]
    for odd in ({"content": "x", "id": 4}, said):
        path = lines(tmp_path / "a.jsonl", {"text": "a a"}, {"text": odd}, {"text": "b b"})
        source = Source(path=str(path), bad_rows="skip")
        found = pl.concat(readers.read(source, reading=Reading(source, cuts=True)))
        assert found["text"].to_list() == ["a a", "b b"]


def test_columns_of_our_own_names_are_refused(tmp_path):
    path = lines(tmp_path / "a.jsonl", {**FINE, "#row": "70", "#payload": "x"})
    for column in ("#row", "#payload"):
        with pytest.raises(BadInput, match=f"column `{column}` has a reserved name"):
            read(path, domain=column)


def test_a_column_that_the_first_rows_lack_is_null_in_them(tmp_path):
    late = ({"text": f"row {n}", **({"label": "x"} if n >= 8192 else {})} for n in range(8200))
    path = lines(tmp_path / "a.jsonl", *late)
    found, reading = read(path, label="label", bad_rows="skip")
    assert (found.height, sum(reading.skipped.values())) == (8, 8192)
    with pytest.raises(BadInput, match="no column `lable`"):
        read(path, label="lable", bad_rows="skip")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"text": "the outer text is the longer part", "of": [\n{"text":"inner"}\n]}\n', "over several lines"),
        ('[\n"a",\n{"text": "b"}\n]\n', "over several lines"),
    ],
)
def test_one_value_of_json_is_no_json_lines_whatever_its_lines_look_like(tmp_path, content, said):
    (tmp_path / "a.json").write_text(content)
    for bad_rows in ("error", "skip"):
        with pytest.raises(BadInput, match=f"{said}.*one row per line"):
            read(tmp_path / "a.json", bad_rows=bad_rows)


@pytest.mark.parametrize("before", ["\x1e", "\u00a0", "\x0c"])
def test_what_is_no_space_of_json_is_not_passed_over(tmp_path, before):
    (tmp_path / "a.jsonl").write_text(f"{before}{json.dumps(FINE)}\n{json.dumps(FINE)}\n", "utf-8")
    with pytest.raises(BadInput, match=r"a\.jsonl:1: not a JSON object"):
        read(tmp_path / "a.jsonl", whole_rows=True)


def test_two_columns_of_one_name_are_refused_by_name(tmp_path):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array([1]), pa.array([2])], names=["text", "n", "n"])
    pq.write_table(table, tmp_path / "a.parquet")
    for whole in (False, True):
        with pytest.raises(BadInput, match=r"two columns are called `n`\. Rename one"):
            read(tmp_path / "a.parquet", whole_rows=whole)


def test_dictionaries_within_lists_and_objects_come_back_as_their_values(tmp_path):
    words = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["x", "y"]))
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 3]), words)
    objects = pa.StructArray.from_arrays([words[:2], pa.array([1, 2])], names=["w", "n"])
    table = pa.table({"text": ["one one", "two two"], "tags": lists, "made": objects})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = [payload.value() for payload in of_columns(read(tmp_path / "a.parquet", whole_rows=True)[0])]
    assert [row["tags"] for row in rows] == [["x", "y"], ["x"]]
    assert [row["made"] for row in rows] == [{"w": "x", "n": 1}, {"w": "y", "n": 2}]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_utf_16_without_a_mark_is_refused(tmp_path, name, encoding):
    (tmp_path / name).write_bytes("text\nhello there\n".encode(encoding))
    with pytest.raises(BadInput, match=rf"{name}: is UTF-16 or no text.*Convert it to UTF-8"):
        read(tmp_path / name)


def test_numbers_that_no_vector_can_hold_and_signed_zeros(tmp_path):
    path = lines(tmp_path / "a.jsonl", {**FINE, "v": [int("9" * 400)]}, {"text": "b b", "v": [1, 2.5]})
    found, _ = read(path, vector="v", bad_rows="skip")
    assert found["vector"].to_list() == [[1.0, 2.5]]
    pl.DataFrame({"text": ["a", "b"], "label": [0.0, -0.0]}).write_parquet(tmp_path / "z.parquet")
    assert read(tmp_path / "z.parquet", label="label")[0]["label"].unique().to_list() == ["0.0"]
    zeros = lines(tmp_path / "z.jsonl", {"text": "a", "label": 0.0}, {"text": "b", "label": -0.0})
    assert read(zeros, label="label")[0]["label"].unique().to_list() == ["0.0"]


def test_calls_and_parts_of_other_makes_are_text(tmp_path):
    call = {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}}
    parts = [{"type": "input_text", "text": "How hot"}, {"type": "output_text", "text": "is it?"}]
    path = lines(tmp_path / "a.jsonl", {"messages": [{"role": "user", "content": parts}, call]})
    found, reading = read(path, text="messages", whole_rows=True)
    assert found["text"][0] == 'How hot\nis it?\n{"name": "weather", "arguments": "{}"}'
    assert reading.not_text == 0


def test_a_call_nested_beyond_all_bounds_is_a_bad_row(tmp_path):
    deep = "[" * 700 + "]" * 700
    good = json.dumps({"messages": [{"role": "user", "content": "x y"}]})
    bad = '{"messages": [{"role": "assistant", "content": "a", "tool_calls": [' + deep + "]}]}"
    (tmp_path / "a.jsonl").write_text(f"{good}\n{bad}\n")
    found, reading = read(tmp_path / "a.jsonl", text="messages", whole_rows=True, bad_rows="skip")
    assert found.height + sum(reading.skipped.values()) == 2
    assert "x y" in found["text"].to_list()


def test_a_ragged_line_does_not_hide_that_two_readings_differ(tmp_path):
    rows = ['"Yes, said he.\t1', 'and so on"\t2', *(f"text {n}\t{n}" for n in range(20)), "short"]
    (tmp_path / "t.tsv").write_text("text\tid\n" + "".join(row + "\n" for row in rows))
    with pytest.raises(BadInput, match=r"t\.tsv:2: one row if quotes enclose fields, and 2 whole rows"):
        read(tmp_path / "t.tsv")


def test_line_ends_that_are_mixed_are_said(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"text,label\none\rtwo,x\nthree,y\n")
    with pytest.raises(BadInput, match="a carriage return within a field"):
        read(tmp_path / "t.csv")


def test_a_header_over_two_lines_tells_the_delimiter(tmp_path):
    (tmp_path / "t.csv").write_text('"text\nbody";"label"\n"one, two";"x"\n')
    assert read(tmp_path / "t.csv", text="text\nbody")[0]["text"].to_list() == ["one, two"]


def test_a_version_below_a_cleaned_log_is_said(tmp_path):
    from deltalake import DeltaTable

    for n in range(4):
        pl.DataFrame({"text": [f"row {n}"]}).write_delta(tmp_path / "t", mode="append")
    DeltaTable(str(tmp_path / "t")).create_checkpoint()
    for n in range(2):
        (tmp_path / "t" / "_delta_log" / f"{n:020}.json").unlink()
    with pytest.raises(BadInput, match=r"no longer has version 1.*Correct `version`"):
        read(tmp_path / "t", version=1)


def test_a_saved_data_set_without_rows_has_none(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": ["a"]}).select(np.array([], int)).save_to_disk(str(tmp_path / "d"))
    assert list(readers.read(Source(path=str(tmp_path / "d")))) == []
