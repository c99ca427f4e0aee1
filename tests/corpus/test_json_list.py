"""A file that is one value of JSON: a row an element of its list, whatever its layout, in pieces of bounded size."""

import gzip
import json

import polars as pl
import pytest

from getmore_assets.config import Source
from getmore_assets.corpus import json_list, readers
from getmore_assets.corpus.lines import LONGEST_ROW, TOO_LONG
from getmore_assets.corpus.reading import Reading, remarks
from getmore_assets.errors import BadInput

ROWS = [
    {"text": 'A "quoted", \\slashed\\ row: [1, {2}] 猫', "n": 1, "deep": {"a": [{"b": "}]"}]}},
    {"text": "B\nof two lines", "n": 2.50, "deep": {}},
]


def of(path, **fields) -> pl.DataFrame:
    return pl.concat(readers.read(Source(path=str(path), **fields)), how="diagonal")


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("piece", [1, 2, 7, 2**16])
def test_elements_are_the_lists_own_whatever_its_layout(tmp_path, monkeypatch, indent, piece):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS, indent=indent, ensure_ascii=False) + "\n", "utf-8-sig")
    monkeypatch.setattr(json_list, "_PIECE", piece)
    found = list(json_list.elements(path, json_list.JsonList()))
    assert [one.number for one in found] == [1, 2]
    assert [json.loads(one.text) for one in found] == ROWS
    assert not any("\n" in one.text for one in found)


def test_a_list_is_read_as_its_lines_would_be(tmp_path):
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps(ROWS, indent=1).encode()))
    lines, found = of(tmp_path / "a.jsonl"), of(tmp_path / "a.json.gz")
    assert found["text"].to_list() == lines["text"].to_list()
    assert found["origin"].to_list() == [f"{tmp_path / 'a.json.gz'}:{n}" for n in (1, 2)]


def test_a_bad_element_is_named_by_its_place(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"text": "a"}, 7, {"text": "\xff"}, {"text": "a", "text": "b"}, {"text": "z"}]')
    with pytest.raises(BadInput, match=r"a\.json:2: not a JSON object"):
        of(path)
    assert of(path, bad_rows="skip")["text"].to_list() == ["a", "z"]


@pytest.mark.parametrize(
    ("content", "said"),
    [('[{"text": "a"}, {"text": "b"', "not closed"), ('[{"text": "a"}]\n{"text": "b"}', "goes on after its list")],
)
def test_a_list_that_is_cut_off_or_goes_on_is_refused(tmp_path, content, said):
    (tmp_path / "a.json").write_text(content)
    for bad_rows in ("error", "skip"):
        with pytest.raises(BadInput, match=said):
            of(tmp_path / "a.json", bad_rows=bad_rows)


def test_of_an_element_that_is_too_long_no_more_than_a_piece_is_held(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"text": "a"}, {"text": "x" * (LONGEST_ROW + 2**17)}, {"text": "b"}]))
    assert [(one.number, one.wrong) for one in json_list.elements(path, json_list.JsonList())] == [
        (1, None),
        (2, TOO_LONG),
        (3, None),
    ]


NESTED = {
    "about": 'A "list": [{"of": 1}], as text',
    "contacts": {"list": [{"name": "A"}, {"name": "B"}]},
    "chats": {"about": "x", "list": ROWS * 3, "sizes": [1, [2]]},
    "left": {"list": []},
}


@pytest.mark.parametrize("indent", [None, 0, 1])
@pytest.mark.parametrize("piece", [1, 7, 2**16])
def test_the_list_that_most_of_an_object_is_holds_its_rows_and_what_is_beside_it_is_said(
    tmp_path, monkeypatch, indent, piece
):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(NESTED, indent=indent, ensure_ascii=False) + "\n", "utf-8-sig")
    monkeypatch.setattr(json_list, "_PIECE", piece)
    rows = json_list.rows_of(path)
    assert rows.keys == ("chats", "list")
    assert [json.loads(one.text) for one in json_list.elements(path, rows)] == ROWS * 3
    reading = Reading(Source(path=str(path)))
    texts = pl.concat(readers.read(reading.source, reading=reading))["text"]
    assert texts.to_list() == [row["text"] for row in ROWS * 3]
    said = remarks(reading.counts("candidates.0"))
    assert said == ["its rows are in its list `chats.list`", "2 objects in `contacts.list` not read"]


@pytest.mark.parametrize(
    ("name", "rows", "why"),
    [
        ("a.jsonl", [{"tags": ROWS}], "an object on a line of its own is a row"),
        ("a.json", [{"tags": ROWS}, {"tags": ROWS}], "something follows"),
        ("a.json", [{"text": "longer than its list " * 20, "tags": ROWS}], "the list is the lesser part"),
        ("a.json", [{"messages": [{"role": "user", "content": "a"}] * 3}], "a conversation is one row"),
        ("a.json", [{"text": "a"}], "there is no list"),
    ],
)
def test_lines_of_objects_with_lists_stay_lines(tmp_path, name, rows, why):
    (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert json_list.rows_of(tmp_path / name) is None, why


def test_a_conversation_over_several_lines_is_one_row(tmp_path):
    talk = {"id": 1, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    (tmp_path / "a.json").write_text(json.dumps(talk, indent=1))
    assert of(tmp_path / "a.json", text="messages")["text"].to_list() == ["a\nb"]


def test_an_object_over_several_lines_without_a_list_is_refused(tmp_path):
    for content in ({"text": "a", "n": 1}, {"text": "longer than its list " * 20, "tags": ROWS}):
        (tmp_path / "a.json").write_text(json.dumps(content, indent=1))
        with pytest.raises(BadInput, match="one JSON value over several lines"):
            of(tmp_path / "a.json")


def test_all_chats_of_an_export_are_a_row_each_whatever_their_first_message_is(tmp_path):
    notice = {"id": 1, "type": "service", "actor": "Ann", "action": "create_group", "text": ""}
    said = {
        "id": 2,
        "type": "message",
        "from": None,
        "from_id": "user1",
        "text": ["See ", {"type": "link", "text": "a.org"}],
    }
    chats = [{"name": name, "id": n, "messages": [notice, said]} for n, name in enumerate("AB")]
    export = {"personal_information": {}, "contacts": {"list": [{"id": 1}]}, "chats": {"list": chats}}
    (tmp_path / "result.json").write_text(json.dumps(export, indent=1))
    found = of(tmp_path / "result.json", text="messages", whole_rows=True)
    assert found["text"].to_list() == ["See a.org"] * 2
