import gzip
import json

import polars as pl
import pytest
import zstandard
from deltalake import write_deltalake

from getmore_assets.config import Source
from getmore_assets.corpus import payloads, readers
from getmore_assets.corpus.reading import Reading, remarks
from getmore_assets.errors import BadInput

ROWS = [{"text": f"Row number {i}, which says little.", "topic": f"t{i % 2}", "kind": "k"} for i in range(5)]


def read(source: Source) -> pl.DataFrame:
    return pl.concat(readers.read(source))


def jsonl(rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def every_format(tmp_path):
    frame = pl.DataFrame(ROWS)
    frame.write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_bytes(jsonl(ROWS))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(jsonl(ROWS)))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(jsonl(ROWS)))
    frame.write_csv(tmp_path / "a.csv")
    frame.write_csv(tmp_path / "a.tsv", separator="\t")
    write_deltalake(str(tmp_path / "delta"), frame)
    return tmp_path


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.csv", "a.tsv", "delta"])
def test_every_format_gives_the_same_rows(every_format, name):
    rows = read(Source(path=str(every_format / name), domain="topic", label="kind"))
    assert rows["text"].to_list() == [row["text"] for row in ROWS]
    assert rows["domain"].to_list() == ["t0", "t1", "t0", "t1", "t0"]
    assert rows["label"].unique().to_list() == ["k"]
    assert rows["origin"][0].startswith(str(every_format / name) + ":")


def test_a_saved_dataset_is_read_by_split(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)}).save_to_disk(str(tmp_path / "saved"))
    assert read(Source(path=str(tmp_path / "saved")))["text"].to_list() == [row["text"] for row in ROWS]
    with pytest.raises(BadInput, match="no split `other`"):
        read(Source(path=str(tmp_path / "saved"), split="other"))


def test_text_files_are_a_row_each_and_of_the_domain_of_their_folder(tmp_path):
    for name in ("b.txt", "a.txt", "more/c.txt"):
        (tmp_path / "kb" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "kb" / name).write_text(f"This is {name}.")
    rows = read(Source(path=str(tmp_path / "kb")))
    assert rows["text"].to_list() == ["This is a.txt.", "This is b.txt.", "This is more/c.txt."]
    assert rows["source"].to_list() == ["a", "b", "c"]
    assert rows["domain"].to_list() == ["kb", "kb", "more"]
    assert read(Source(path=str(tmp_path / "kb" / "a.txt")))["domain"].to_list() == ["a"]


def test_files_of_a_table_are_domains_each(tmp_path):
    for name in ("biology", "news"):
        (tmp_path / f"{name}.jsonl").write_text('{"text": "A row."}\n')
    assert read(Source(path=str(tmp_path / "*.jsonl")))["domain"].to_list() == ["biology", "news"]


def test_python_docs_have_the_distribution_as_domain():
    rows = read(Source(path="python-docs", include=["polars", "click"]))
    assert set(rows["domain"]) == {"polars", "click"}
    assert rows.height > 300
    with pytest.raises(BadInput, match="not-a-distribution"):
        read(Source(path="python-docs", include=["not-a-distribution"]))


def test_a_sample_depends_on_content_only(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(jsonl(ROWS))
    (tmp_path / "b.jsonl").write_bytes(jsonl(ROWS[::-1]))
    first = read(Source(path=str(tmp_path / "a.jsonl"), sample=3))["text"]
    second = read(Source(path=str(tmp_path / "b.jsonl"), sample=3))["text"]
    assert len(first) == 3
    assert sorted(first) == sorted(second)


BAD = {
    "null": (jsonl([*ROWS, {"text": None}]), ":6", "null or blank"),
    "blank": (jsonl([ROWS[0], {"text": "  \n"}]), ":2", "null or blank"),
    "not json": (jsonl(ROWS[:1]) + b"{oops\n", ":2", "not a JSON object"),
    "not utf-8": (jsonl(ROWS[:2]) + b'{"text": "\xff"}\n', ":3", "not valid UTF-8"),
    "no column": (jsonl([{"words": "x"}]), "", "no column `text`"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_refused_by_file_and_row(tmp_path, case):
    content, row, said = BAD[case]
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said) as refusal:
        read(Source(path=str(path)))
    assert refusal.value.where == f"{path}{row}"


@pytest.mark.parametrize("case", ["null", "blank", "not json", "not utf-8"])
def test_bad_rows_are_left_out_when_asked(tmp_path, case):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(BAD[case][0])
    rows = read(Source(path=str(path), bad_rows="skip"))
    assert set(rows["text"]) <= {row["text"] for row in ROWS}
    assert rows.height >= 1


@pytest.mark.parametrize("bad_rows", ["error", "skip"])
def test_a_ragged_csv_row_and_two_columns_of_one_name_are_refused_either_way(tmp_path, bad_rows):
    path = tmp_path / "bad.csv"
    path.write_text("text,label\nfine,a\nnot,so,fine\n")
    with pytest.raises(BadInput, match="more fields than the header's 2") as refusal:
        read(Source(path=str(path), bad_rows=bad_rows))
    assert refusal.value.where == f"{path}:3"
    path.write_text("text,label,text\nthis,a,or that\n")
    with pytest.raises(BadInput, match="two columns are called `text`") as refusal:
        read(Source(path=str(path), bad_rows=bad_rows))
    assert refusal.value.where == f"{path}:1"


def test_a_missing_file_and_an_unknown_format_are_refused(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        read(Source(path=str(tmp_path / "none.jsonl")))
    (tmp_path / "a.docx").write_text("x")
    with pytest.raises(BadInput, match="cannot tell the format"):
        read(Source(path=str(tmp_path / "a.docx")))


def test_a_data_version_follows_the_content(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(ROWS))
    source = Source(path=str(path))
    before = readers.data_version(source)
    path.write_bytes(jsonl(ROWS))
    assert readers.data_version(source) == before
    path.write_bytes(jsonl(ROWS[1:]))
    assert readers.data_version(source) != before


def test_a_pair_is_both_texts_with_a_blank_line_between(tmp_path):
    rows = [{"a": "First\n\n \nof it. ", "b": "Second."}, {"a": "One.", "b": "Two."}]
    (tmp_path / "pairs.jsonl").write_bytes(jsonl(rows))
    source = Source(path=str(tmp_path / "pairs.jsonl"), text=["a", "b"])
    assert read(source)["text"].to_list() == ["First\nof it.\n\nSecond.", "One.\n\nTwo."]


def test_half_a_pair_is_refused_by_row(tmp_path):
    (tmp_path / "pairs.jsonl").write_bytes(jsonl([{"a": "One.", "b": "Two."}, {"a": "Three.", "b": " "}]))
    source = Source(path=str(tmp_path / "pairs.jsonl"), text=["a", "b"])
    with pytest.raises(BadInput, match=r"pairs\.jsonl:2.*`b` is null or blank"):
        read(source)
    assert read(source.model_copy(update={"bad_rows": "skip"})).height == 1


def test_a_sample_of_rows_that_repeat_is_no_larger_than_asked_for(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([{"text": f"row {i % 30}"} for i in range(9000)]))
    source, reading = Source(path=str(path), sample=10), Reading(Source(path=str(path), sample=10))
    rows = pl.concat(readers.read(source, None, reading))
    assert rows.height == rows["text"].n_unique() == 10
    assert reading.folded == 10 * 300 - 10
    assert all(int(origin.rsplit(":", 1)[1]) <= 30 for origin in rows["origin"]), "of equal rows the first"


JSON_CELLS = {
    "text is a list": ({"text": ["part one", "part two"]}, "`text` is a list, not text"),
    "text is an object": ({"text": {"a": 1}}, "`text` is an object, not text"),
    "text is a number": ({"text": 5}, "`text` is a whole number, not text"),
    "label is blank": ({"kind": " "}, "`kind` is blank"),
    "label is NaN": ({"kind": float("nan")}, "`kind` is NaN or infinite"),
    "label is a list": ({"kind": ["k"]}, "`kind` is a list"),
    "label is of another kind": ({"kind": 1}, "`kind` is a whole number, but earlier rows hold text"),
    "domain is an object": ({"topic": {"a": 1}}, "`topic` is an object"),
    "domain is a list": ({"topic": []}, "`topic` is a list"),
}


@pytest.mark.parametrize("case", JSON_CELLS)
def test_no_value_of_another_kind_is_made_into_text(tmp_path, case):
    change, said = JSON_CELLS[case]
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([ROWS[0], {**ROWS[1], **change}, ROWS[2]]))
    source = Source(path=str(path), domain="topic", label="kind")
    with pytest.raises(BadInput, match=f"a.jsonl:2: {said}. Mend"):
        read(source)
    reading = Reading(source.model_copy(update={"bad_rows": "skip"}))
    rows = pl.concat(readers.read(reading.source, None, reading))
    assert rows["text"].to_list() == [ROWS[0]["text"], ROWS[2]["text"]]
    assert rows["label"].to_list() == ["k", "k"]
    assert (reading.rows, dict(reading.skipped)) == (2, {said: 1})


def test_a_row_without_a_domain_is_of_its_file_and_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([{**ROWS[0], "topic": value} for value in ("t", None, " ", float("nan"))]))
    reading = Reading(Source(path=str(path), domain="topic"))
    rows = pl.concat(readers.read(reading.source, None, reading))
    assert rows["domain"].to_list() == ["t", "a", "a", "a"]
    assert dict(reading.filled) == {"`topic` is null or blank: the file's name": 3}


def test_two_fields_of_one_name_are_a_bad_row(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one", "text": "two"}\n')
    with pytest.raises(BadInput, match=r"a\.jsonl:1: .*two fields are called `text`"):
        read(Source(path=str(path)))


@pytest.mark.parametrize("field", ["text", "label", "domain"])
def test_a_column_of_a_wrong_type_is_refused_however_bad_rows_are_treated(tmp_path, field):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": ["a"], "label": ["b"], "domain": ["c"]}).with_columns(pl.concat_list(field)).write_parquet(
        path
    )
    source = Source(path=str(path), label="label", domain="domain", bad_rows="skip")
    with pytest.raises(BadInput, match=rf"column `{field}` holds List\(String\), not "):
        read(source)


CHAT = [
    {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}], "n": 2**60},
    {"n": None, "messages": [{"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image"}]}]},
    {"messages": [{"role": None, "content": "who?"}], "n": 1},
    {"messages": [], "n": 1},
]


def whole(path, text="messages"):
    reading = Reading(Source(path=str(path), text=text, whole_rows=True, bad_rows="skip"))
    return pl.concat(readers.read(reading.source, reading=reading)), reading


def test_lines_of_messages_are_read_with_the_lines_themselves(tmp_path):
    lines = [json.dumps(row, ensure_ascii=False) for row in CHAT]
    (tmp_path / "chat.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    rows, reading = whole(tmp_path / "chat.jsonl")
    assert rows["text"].to_list() == ["Why?\nBecause.", "See"]
    assert [payload.line() for payload in payloads.of_columns(rows)] == lines[:2]
    assert reading.not_text == 1
    assert reading.skipped == {
        "`messages` holds a message that has no role": 1,
        "`messages` is null or blank": 1,
    }


@pytest.mark.parametrize("kind", ["parquet", "delta", "dataset"])
def test_typed_messages_are_read_with_the_whole_rows(tmp_path, kind):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([CHAT[0], *CHAT[2:], {"n": 3, "messages": [{"role": "x", "content": "é"}]}])
    path = tmp_path / "chat.parquet"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=2)
    elif kind == "delta":
        pl.DataFrame(table).write_delta(str(path))
    else:
        pytest.importorskip("datasets").Dataset(table).save_to_disk(str(path))
    rows, reading = whole(path)
    assert rows["text"].to_list() == ["Why?\nBecause.", "é"]
    assert payloads.table(payloads.of_columns(rows)).to_pylist() == table.take([0, 3]).to_pylist()
    assert sum(reading.skipped.values()) == 2


def test_a_template_of_columns_is_the_text_also_of_csv(tmp_path):
    (tmp_path / "a.csv").write_text('instruction,input,output\nAdd.,"1\n2",3\nGo.,,Gone.\n,,\n', "utf-8")
    rows, reading = whole(tmp_path / "a.csv", text="{instruction}\n{input}\n{output}")
    assert rows["text"].to_list() == ["Add.\n1\n2\n3", "Go.\nGone."]
    assert [p.value() for p in payloads.of_columns(rows)][1] == {"instruction": "Go.", "input": "", "output": "Gone."}
    assert reading.skipped == {"`instruction` and `input` and `output` is null or blank": 1}


def test_messages_that_would_be_cut_are_refused_with_what_to_set(tmp_path):
    (tmp_path / "chat.jsonl").write_text(json.dumps(CHAT[0]) + "\n", "utf-8")
    source = Source(path=str(tmp_path / "chat.jsonl"), text="messages")
    assert next(readers.read(source))["text"].to_list() == ["Why?\nBecause."]  # of a target
    with pytest.raises(BadInput, match=r"column `messages` holds messages, .* Set `whole_rows: true`"):
        next(readers.read(source, reading=Reading(source, cuts=True)))


def test_a_whole_row_that_is_longer_than_allowed_is_bad(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "12345"}\n{"text": "123456"}\n', "utf-8")
    source = {"path": str(tmp_path / "a.jsonl"), "whole_rows": True, "longest": 5}
    with pytest.raises(BadInput, match=r"a.jsonl:2: `text` is longer than 5 characters"):
        list(readers.read(Source(**source)))
    reading = Reading(Source(**source, bad_rows="skip"))
    assert next(readers.read(reading.source, reading=reading))["text"].to_list() == ["12345"]
    assert reading.skipped == {"`text` is longer than 5 characters": 1}


def test_a_source_without_whole_rows_has_the_cache_key_that_it_always_had():
    assert set(readers.same_but_version(Source(path="x"))) == {
        *("path", "format", "text", "split", "config", "bad_rows", "source", "domain", "label", "vector"),
        *("include", "exclude", "sample"),
    }


def test_what_became_of_files_and_rows_is_counted_and_said(tmp_path):
    folder = tmp_path / "pool"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.jsonl").write_bytes(
            jsonl([{"text": f"row {n} of {name}"} for n in range(3)] + [{"text": " "}])
        )
    (folder / ".c.jsonl").write_bytes(jsonl(ROWS))
    (folder / "_SUCCESS").touch()
    reading = Reading(Source(path=str(folder), bad_rows="skip"))
    assert sum(rows.height for rows in readers.read(reading.source, {str(folder / "b.jsonl")}, reading)) == 3
    told = reading.counts("candidates.1")
    assert (told.field, told.path, told.format) == ("candidates.1", str(folder), "jsonl")
    assert (told.files, told.unchanged_files, told.left_out_files, told.rows) == (1, 1, 2, 3)
    assert list(told.left_out) == [str(folder / ".c.jsonl"), str(folder / "_SUCCESS")]
    assert told.skipped == {"`text` is null or blank": 1}
    assert remarks(told) == [
        "1 file as before, not read again",
        f"2 files or folders left out ({folder}/.c.jsonl: its name begins with `.`; "
        f"{folder}/_SUCCESS: its name begins with `_`)",
        "1 row skipped: `text` is null or blank",
    ]


def test_of_a_sample_all_rows_are_counted_and_those_that_were_drawn(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(jsonl([{"text": f"row {n % 4}"} for n in range(12)]))
    reading = Reading(Source(path=str(tmp_path / "a.jsonl"), sample=2))
    list(readers.read(reading.source, reading=reading))
    assert remarks(reading.counts("candidates.0")) == ["2 rows sampled", "4 duplicates folded"]
    assert reading.rows == 12


def test_nothing_is_remarked_of_a_source_that_is_taken_as_it_is(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(jsonl(ROWS))
    reading = Reading(Source(path=str(tmp_path / "a.jsonl")))
    list(readers.read(reading.source, reading=reading))
    assert remarks(reading.counts("general")) == []


def test_a_version_that_a_delta_table_has_not_is_refused(tmp_path):
    pl.DataFrame(ROWS).write_delta(tmp_path / "table")
    pl.DataFrame(ROWS).write_delta(tmp_path / "table", mode="append")
    assert read(Source(path=str(tmp_path / "table"), version=0)).height == len(ROWS)
    with pytest.raises(BadInput, match=r"table: has no version 7: its newest is 1\. Correct `version`"):
        read(Source(path=str(tmp_path / "table"), version=7))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.txt", "rows.parquet"])
def test_what_git_lfs_leaves_of_a_file_is_no_text(tmp_path, name):
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    (tmp_path / name).write_text(pointer)
    with pytest.raises(BadInput, match=rf"{name}: is a Git LFS pointer.*git lfs pull"):
        read(Source(path=str(tmp_path / name)))
