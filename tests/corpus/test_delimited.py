"""CSV and TSV: one reading or none, records over several lines, and what spoils a record."""

import polars as pl
import pytest

from getmore_assets.config import Source
from getmore_assets.corpus import readers
from getmore_assets.corpus.reading import Reading, remarks
from getmore_assets.errors import BadInput


def read(path, **fields):
    source = Source(path=str(path), **fields)
    batches = list(readers.read(source))
    return pl.concat(batches) if batches else pl.DataFrame({"text": []})


def texts(path, **fields):
    return read(path, **fields)["text"].to_list()


def unquoted(rows):
    """Rows of a TSV that was written without quoting: each third text has a quote at an end."""
    ends = ('"{}', '{}"', "{}")
    return [ends[n % 3].format(f"text {n}") for n in range(rows)]


def test_a_tsv_without_quoting_is_refused_where_quotes_would_swallow_rows_and_read_where_that_is_said(tmp_path):
    path, wanted = tmp_path / "t.tsv", unquoted(30)
    path.write_text("text\tlabel\n" + "".join(f"{text}\tx\n" for text in wanted))
    with pytest.raises(BadInput, match=r"t\.tsv:2: one row if quotes enclose fields, and 2 whole rows .*quoting"):
        read(path)
    assert texts(path, quoting="none", label="label") == wanted


def test_quotes_that_swallow_a_delimiter_within_a_line_are_refused_too(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text('text\tlabel\n"one\ttwo"\nthree\tfour\n')
    with pytest.raises(BadInput, match=r"t\.tsv:2: a row with too few fields .* 1 whole rows"):
        read(path)
    assert texts(path, quoting="none") == ['"one', "three"]
    assert texts(path, quoting="standard") == ["one\ttwo", "three"]


@pytest.mark.parametrize(
    "content",
    [
        'text,label\n"first\nlast",x\nfine,y\n',  # the lines of the text have no comma
        'text,label\n"a, b\nc",x\n"d, e",y\n',
        'text,label\n"first\n\nlast",x\nfine, and more,\n'.replace("fine, and more,", '"fine, and more",y'),
    ],
)
def test_quoted_texts_over_several_lines_are_read_as_they_are(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_text(content)
    first = content.split('"')[1]
    assert texts(path)[0] == first


@pytest.mark.parametrize("bad", [b"\xc3\x28", b"\xff", b"caf\xe9"])
def test_a_bad_line_takes_its_whole_record_with_it(tmp_path, bad):
    path = tmp_path / "t.csv"
    path.write_bytes(b'text,label\n"first\n' + bad + b'\nlast",x\nfine,y\n"a\nb' + bad + b'",z\nend,w\n')
    with pytest.raises(BadInput, match=r"t\.csv:3: not valid UTF-8"):
        read(path)
    reading = Reading(Source(path=str(path), bad_rows="skip"))
    found = pl.concat(list(readers.read(reading.source, reading=reading)))
    assert found["text"].to_list() == ["fine", "end"]
    assert dict(reading.skipped) == {"not valid UTF-8": 2}


def test_a_bad_header_is_refused_either_way(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"text,caf\xe9\nfine,y\n")
    with pytest.raises(BadInput, match=r"t\.csv:1: the header is not valid UTF-8"):
        read(path, bad_rows="skip")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_rows_end_with_cr_lf_or_both(tmp_path, name, end):
    path = tmp_path / name
    lines = ["text,label", "one,x", "two,y"] if name == "t.csv" else ['{"text": "one"}', '{"text": "two"}']
    path.write_bytes("".join(line + end for line in lines).encode())
    assert texts(path) == ["one", "two"]


def test_a_row_is_named_by_its_first_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('text,label\n\n"first\nlast",x\nfine,y\n,z\n')
    assert read(path, bad_rows="skip")["origin"].to_list() == [f"{path}:3", f"{path}:5"]
    with pytest.raises(BadInput, match=r"t\.csv:6: `text` is null or blank"):
        read(path)
    path.write_text('text,label\nfine,y\n"never closed,x\nmore,y\n')
    with pytest.raises(BadInput, match=r"t\.csv:3: unexpected end of data.*quoting: none"):
        read(path)


def test_a_text_file_with_a_bad_line_is_one_bad_row(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"first\n\xff\nlast\n")
    (tmp_path / "b.txt").write_bytes(b"fine\n")
    with pytest.raises(BadInput, match=r"a\.txt:2: not valid UTF-8"):
        read(tmp_path)
    assert [text.strip() for text in texts(tmp_path, bad_rows="skip")] == ["fine"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "text;label\none, two;x\n3,5 euros;y\n", "fields are separated by a semicolon"),
        ("t.csv", "text\tlabel\none, two\tx\n3,5 euros\ty\n", "fields are separated by a tab"),
        ("t.csv", "text|label\none, two|x\n3,5 euros|y\n", "fields are separated by a bar"),
        ("t.tsv", 'text,label\n"one, two",x\n"3,5 euros",y\n', "fields are separated by a comma"),
        ("t.csv", "sep=;\ntext;label\none, two;x\n3,5 euros;y\n", "fields are separated by a semicolon"),
        ("t.csv", '"sep=\t"\ntext\tlabel\none, two\tx\n3,5 euros\ty\n', "fields are separated by a tab"),
        ("t.csv", "text;a,b;label\none, two;x;x\n3,5 euros;y;y\n", "fields are separated by a semicolon"),
        ("t.csv", 'sep=,\ntext,label\n"one, two",x\n"3,5 euros",y\n', ""),
        ("t.csv", 'text,label\n"one, two",x\n"3,5 euros",y\n', ""),
        ("t.csv", 'text,label;x\n"one, two",x\n"3,5 euros",y\n', ""),
    ],
)
def test_what_separates_the_fields_is_told_by_the_header_and_said(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_text(content)
    reading = Reading(Source(path=str(path)))
    batch = pl.concat(list(readers.read(reading.source, reading=reading)))
    assert batch["text"].to_list() == ["one, two", "3,5 euros"]
    first = 3 if "sep" in content else 2
    assert batch["origin"].to_list() == [f"{path}:{first}", f"{path}:{first + 1}"]
    assert remarks(reading.counts("candidates.0")) == ([said] if said else [])


def test_the_delimiter_of_a_source_goes_before_what_the_header_tells(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b,c\none;two,three\n")
    assert texts(path, text="a;b") == ["one;two"]
    assert texts(path, text="b,c", delimiter=";") == ["two,three"]
    path.write_text("a;b\tc\none;two\tthree\n")
    with pytest.raises(BadInput, match=r"t\.csv:1: the header's fields may be separated by a semicolon or a tab"):
        texts(path, text="text")
    assert texts(path, text="c", delimiter="\t") == ["three"]


def test_a_column_whose_name_holds_another_delimiter_is_one_column(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("question, long\nWhy, and how?\n")
    assert texts(path, text="question, long") == ["Why, and how?"]
