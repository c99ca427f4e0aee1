import json

import polars as pl
import pytest

from getmore_assets.drafting.assignments import find_assignments
from getmore_assets.drafting.likelihood import by_likelihood
from getmore_assets.errors import BadInput


@pytest.fixture
def lay(tmp_path, monkeypatch):
    """Makes files of so many rows, under a folder that is worked in."""
    monkeypatch.chdir(tmp_path)

    def make(**rows: int):
        for name, count in rows.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps({"text": f"Row number {i} of this file."}) + "\n" for i in range(count)))

    return make


def likeliest(given, target=None):
    return by_likelihood(find_assignments(given, target))[0].assignment


def names(assignment):
    return {split: one.path for split, one in assignment.target.items()}, [one.path for one in assignment.pool]


@pytest.mark.parametrize(
    ("files", "target", "pool", "name"),
    [
        (  # a family of splits beside a corpus
            {"d__chem_dot_train_dot_jsonl": 9, "d__chem_dot_dev_dot_jsonl": 9, "d__big_dot_jsonl": 99},
            {"train": "d/chem.train.jsonl", "validation": "d/chem.dev.jsonl"},
            ["d/big.jsonl"],
            "chem",
        ),
        (  # folders say it
            {"d__target__a_dot_jsonl": 50, "d__corpus__a_dot_jsonl": 9, "d__corpus__b_dot_jsonl": 9},
            {"train": "d/target/a.jsonl"},
            ["d/corpus/a.jsonl", "d/corpus/b.jsonl"],
            "a",
        ),
        (  # bare splits beside an odd name; the pool's own test split stays out
            {
                "d__target_dot_jsonl": 9,
                "d__test_dot_jsonl": 9,
                "d__wiki__train_dot_jsonl": 99,
                "d__wiki__test_dot_jsonl": 9,
            },
            {"train": "d/target.jsonl", "test": "d/test.jsonl"},
            ["d/wiki/train.jsonl"],
            "target",
        ),
        ({"d__odd_dot_jsonl": 9, "d__pool_dot_jsonl": 9}, {"train": "d/odd.jsonl"}, ["d/pool.jsonl"], "odd"),
        ({"d__x_dot_jsonl": 9, "d__y_dot_jsonl": 99}, {"train": "d/x.jsonl"}, ["d/y.jsonl"], "x"),  # by size
        (  # parts of one table
            {"d__train_dot_jsonl": 3, "d__web-0_dot_jsonl": 9, "d__web-1_dot_jsonl": 9},
            {"train": "d/train.jsonl"},
            ["d/web-*.jsonl"],
            "d",
        ),
    ],
)
def test_the_target_is_told_by_name_or_else_by_size(lay, files, target, pool, name):
    lay(**files)
    assignment = likeliest(["d"])
    assert names(assignment) == (target, pool)
    assert assignment.name == name


def test_a_target_that_is_named_brings_the_splits_beside_it_and_nothing_else(lay):
    lay(my__train_dot_jsonl=9, my__test_dot_jsonl=9, my__notes_dot_jsonl=9, big__a_dot_jsonl=9, big__train_dot_jsonl=9)
    target, pool = names(likeliest(["big"], "my/train.jsonl"))
    assert target == {"train": "my/train.jsonl", "test": "my/test.jsonl"}
    assert pool == ["big/a.jsonl", "big/train.jsonl"]


def test_a_split_of_another_set_is_left_out_by_name(lay):
    lay(d__chem_train_dot_jsonl=9, d__wiki_test_dot_jsonl=9, d__big_dot_jsonl=99)
    assignment = likeliest(["d"])
    assert assignment.left == {"d/wiki_test.jsonl": "the test split of something else"}
    assert list(assignment.target) == ["train"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"d__a_dot_jsonl": 9}, "is all there is"),
        ({"d__test_dot_jsonl": 9, "d__big_dot_jsonl": 99}, "is test data by its name, and there is no training data"),
        ({"d__target_train_dot_jsonl": 9, "d__target_test_dot_jsonl": 9}, "no candidate pool"),
        (
            {"d__a_train_dot_jsonl": 9, "d__a_dev_dot_jsonl": 9, "d__a_val_dot_jsonl": 9, "d__big_dot_jsonl": 99},
            "validation split by their names",
        ),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(lay, files, said):
    lay(**files)
    with pytest.raises(BadInput, match=said) as refusal:
        find_assignments(["d"], None)
    assert "d/" in refusal.value.where or refusal.value.where == "d"
    assert refusal.value.fix


def test_what_is_no_data_is_left_out_with_the_reason(lay, tmp_path):
    lay(d__train_dot_jsonl=9, d__big_dot_jsonl=99)
    for name, text in {"README.md": "About.", "notes.txt": "Remember.", "slides.pptx": "x", "one.json": "{\n}"}.items():
        (tmp_path / "d" / name).write_text(text)
    (tmp_path / "d" / ".hidden.jsonl").write_text("x")
    (tmp_path / "d" / "loop").symlink_to(tmp_path / "d")
    assert likeliest(["d"]).left == {
        "d/README.md": "a description of the data",
        "d/loop": "a link to a folder; name the folder itself",
        "d/notes.txt": "text beside tables; name it to have it read",
        "d/one.json": "JSON, but neither one object per line nor a list of objects, alone or in an object",
        "d/slides.pptx": "unknown format",
    }


def test_a_folder_of_texts_is_one_source(lay, tmp_path):
    lay(d__train_dot_jsonl=9)
    (tmp_path / "d" / "novels").mkdir()
    for number in range(3):
        (tmp_path / "d" / "novels" / f"{'abc'[number]}.txt").write_text("A story. " * 200)
    target, pool = names(likeliest(["d"]))
    assert (target, pool) == ({"train": "d/train.jsonl"}, ["d/novels/*.txt"])


def test_a_test_split_is_no_target(lay):
    lay(d__test_dot_jsonl=9, d__train_dot_jsonl=9, big_dot_jsonl=99)
    with pytest.raises(BadInput, match="is a test split by its name"):
        find_assignments(["big.jsonl"], "d/test.jsonl")


def test_delta_tables_and_saved_data_sets_are_found_with_their_splits(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"Row number {i} of this set."} for i in range(2000)]
    pl.DataFrame(rows).write_delta("data/pool")
    split = datasets.Dataset.from_list(rows[:20])
    datasets.DatasetDict({"train": split, "test": split}).save_to_disk("data/mine")
    assignment = likeliest(["data"])
    assert {name: (one.kind, one.path, one.split) for name, one in assignment.target.items()} == {
        "train": ("dataset", "data/mine", "train"),
        "test": ("dataset", "data/mine", "test"),
    }
    assert [(one.kind, one.path) for one in assignment.pool] == [("delta", "data/pool")]


@pytest.mark.parametrize(
    ("given", "said"), [("none", "no such file"), ("a.docx", "cannot tell the format"), ("empty", "holds no data")]
)
def test_a_path_that_holds_nothing_readable_is_refused(tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.docx").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=said) as refusal:
        find_assignments([given], None)
    assert refusal.value.where == given
