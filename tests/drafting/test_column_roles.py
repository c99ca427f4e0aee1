from pathlib import Path

import pytest

from getmore_assets.drafting.column_roles import domain_and_source_of, label_of, pair_of, text_of
from getmore_assets.drafting.column_samples import look
from getmore_assets.drafting.files import find
from getmore_assets.errors import BadInput

LONG = "A sentence that goes on for a while, as those of a corpus do, about matter {}."


@pytest.fixture
def table(tmp_path):
    """A look at a table with these columns, of 60 rows; a column is what gives its value for a row's number."""
    import json

    def make(name="t.jsonl", rows=60, **columns):
        path = tmp_path / name
        path.write_text("".join(json.dumps({n: f(i) for n, f in columns.items()}) + "\n" for i in range(rows)))
        return look(find([str(path)])[0][0], 1000)

    return make


def text(i):
    return LONG.format(i)


@pytest.mark.parametrize(
    ("columns", "chosen", "others"),
    [
        ({"a": text, "b": lambda i: f"short {i}"}, "a", ("b",)),
        ({"title": text, "text": lambda i: f"short {i}"}, "text", ("title",)),  # a name outweighs length
        ({"comment": lambda i: f"so so {i}", "inhalt": lambda i: text(i) * 9}, "inhalt", ("comment",)),  # but not any
        ({"url": lambda i: f"see https://a.b/{i}?q=a b c d e f g h i j k l m n", "x": text}, "x", ()),
        ({"x": lambda i: f"猫が{i}匹好きです、犬も好きです", "nr": str}, "x", ()),  # writing without spaces
        ({"text": lambda i: f"word{i}", "nr": str}, "text", ()),  # called so, of single words
    ],
)
def test_the_text_is_what_is_long_or_called_so(table, columns, chosen, others):
    role = text_of(table(**columns))
    assert (role.column, role.others) == (chosen, others)


def test_a_table_without_texts_is_refused_with_what_its_columns_hold(table):
    with pytest.raises(BadInput, match=r"`nr` holds numbers; `turns` holds other") as refusal:
        text_of(table(nr=int, turns=lambda i: [{"role": "user"}]))
    assert refusal.value.where.endswith("t.jsonl")


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"tone": lambda i: "up" if i % 2 else "down"}, "tone"),
        ({"label": lambda i: i % 3, "tone": lambda i: "up" if i % 2 else "down"}, "label"),  # its name says so
        ({"year": lambda i: 2000 + i % 2}, None),  # numbers are labels where their name says so
        ({"nr": lambda i: f"n{i}"}, None),
        ({"label": lambda i: "all the same"}, None),
        ({"lang": lambda i: "de" if i % 2 else "en"}, None),
        ({"source": lambda i: "a" if i % 2 else "b"}, None),
    ],
)
def test_a_label_is_a_column_of_few_values(table, columns, chosen):
    assert label_of(table(words=text, **columns), [], ["words"]).column == chosen


def test_a_label_that_a_split_lacks_or_that_is_new_there_is_none(table):
    train = table(words=text, label=lambda i: f"l{i % 3}")
    same, new = (table(f"{n}.jsonl", words=text, label=lambda i, n=n: f"l{i % n}") for n in (3, 4))
    without = table("w.jsonl", words=text)
    assert label_of(train, [same], ["words"]).column == "label"
    for other in (new, without):
        role = label_of(train, [same, other], ["words"])
        assert role.column is None
        assert "`label` is not in every split" in role.why


def test_a_table_that_mixes_splits_is_refused(table):
    mixed = table(words=text, split=lambda i: "test" if i % 9 == 0 else "train")
    with pytest.raises(BadInput, match="`split` says that some of its rows are for testing"):
        label_of(mixed, [], ["words"])


@pytest.mark.parametrize(
    ("columns", "domain", "source"),
    [
        ({"shelf": lambda i: f"s{i % 3}", "book": lambda i: f"b{i % 12}"}, "shelf", "book"),
        ({"shelf": lambda i: f"s{i % 3}", "nr": lambda i: f"n{i}"}, "shelf", None),
        ({"domain": lambda i: "law", "shelf": lambda i: f"s{i % 3}"}, "domain", "shelf"),  # called so, the same in all
        ({"source": lambda i: f"s{i % 3}"}, None, "source"),
        ({"id": lambda i: f"n{i % 3}", "stars": lambda i: i % 5}, None, None),
    ],
)
def test_domain_and_source_are_what_repeats(table, columns, domain, source):
    found = domain_and_source_of(table(words=text, **columns), ["words"])
    assert tuple(role.column for role in found) == (domain, source)


def test_a_pair_is_two_texts_with_names_alike(table):
    assert pair_of(table(text_a=text, text_b=text)).column == ["text_a", "text_b"]
    assert pair_of(table(premise=text, hypothesis=text, note=text)).others == ("note",)
    assert pair_of(table(text=text, text2=text)) is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"text": "fine"}\n{oops\n', "a.jsonl:2: not a JSON object"),
        ("a.jsonl", "", "holds no rows"),
        ("a.csv", f"{text(1)}, and more,3\n{text(2)}, or less,4\n", "its first line is not the names of its columns"),
        ("a.parquet", "PAR1 not", "not a readable Parquet file"),
        ("a.csv", 'text,label\n"never closed,x\n', "a.csv:2: unexpected end of data"),
    ],
)
def test_what_cannot_be_read_is_refused_by_file_and_row(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInput) as refusal:
        look(find([str(tmp_path / name)])[0][0], 1000)
    assert said in str(refusal.value)
    assert Path(refusal.value.where.split(":")[0]).name == name


def test_of_many_parts_both_ends_are_looked_at(tmp_path):
    for part, column in ((1, "a"), (2, "b"), (3, "c")):
        (tmp_path / f"p-{part}.csv").write_text(f"body,{column}\n" + f'"{text(part)}",x\n' * 10)
    found = look(find([str(tmp_path)])[0][0], 6)
    assert (found.rows, found.whole, list(found.columns)) == (20, False, ["body"])


def chat(i):
    return [{"role": "user", "content": f"question {i}"}, {"role": "assistant", "content": text(i)}]


def test_the_text_of_rows_of_a_trainers_shape_is_what_they_are_made_of(table):
    asked = table(instruction=text, input=lambda i: "" if i % 2 else "x", output=text, note=text)
    assert text_of(asked).column == "{instruction}\n{input}\n{output}"
    assert text_of(asked).others == ("note",)
    talk = table(messages=lambda i: None if i % 9 == 0 else chat(i), label=lambda i: f"l{i % 2}")
    assert (text_of(talk).column, talk.unusable) == ("messages", 7)
    assert label_of(talk, [], ["messages"]).column == "label"
