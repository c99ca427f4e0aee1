"""What a folder or a glob stands for: the files that are meant, and every other one told with its reason."""

import json

import polars as pl
import pytest

from getmore_assets.config import Source
from getmore_assets.corpus import readers
from getmore_assets.corpus.file_lists import resolve
from getmore_assets.drafting import files
from getmore_assets.errors import BadInput

LINE = json.dumps({"text": "A row of text."}) + "\n"


def put(root, *names) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LINE)


def read_names(root, path) -> list[str]:
    return [str(p.relative_to(root)) for p in resolve(Source(path=str(path))).paths]


def left_out(root, path) -> dict[str, str]:
    return {name.removeprefix(f"{root}/"): why for name, why in resolve(Source(path=str(path))).left_out.items()}


HIDDEN = ".ipynb_checkpoints/a.jsonl", ".cache/huggingface/b.jsonl", "sub/_tmp/c.jsonl", "sub/.d.jsonl", "_SUCCESS"


def test_what_is_hidden_or_under_something_hidden_is_left_out_and_told(tmp_path):
    put(tmp_path, "a.jsonl", "sub/b.jsonl", *HIDDEN)
    assert read_names(tmp_path, tmp_path) == ["a.jsonl", "sub/b.jsonl"]
    assert left_out(tmp_path, tmp_path) == {
        ".ipynb_checkpoints/": "its name begins with `.`",
        ".cache/": "its name begins with `.`",
        "sub/_tmp/": "its name begins with `_`",
        "sub/.d.jsonl": "its name begins with `.`",
        "_SUCCESS": "its name begins with `_`",
    }


def test_a_source_under_a_hidden_folder_is_read_where_it_is_named(tmp_path):
    put(tmp_path, ".cache/a.jsonl")
    assert read_names(tmp_path, tmp_path / ".cache") == [".cache/a.jsonl"]
    assert read_names(tmp_path, tmp_path / ".cache" / "*.jsonl") == [".cache/a.jsonl"]


def test_a_glob_finds_hidden_files_only_where_it_says_so(tmp_path):
    put(tmp_path, "a.jsonl", "_b.jsonl", ".c.jsonl", ".git/d.jsonl")
    assert read_names(tmp_path, tmp_path / "*.jsonl") == ["_b.jsonl", "a.jsonl"]
    assert read_names(tmp_path, tmp_path / "**" / "*.jsonl") == ["_b.jsonl", "a.jsonl"]
    assert left_out(tmp_path, tmp_path / "**" / "*.jsonl").keys() == {".c.jsonl", ".git/d.jsonl"}
    assert read_names(tmp_path, tmp_path / ".*.jsonl") == [".c.jsonl"]


@pytest.mark.parametrize("folder", ["data[1]", "data [v2] {x}", "what?", "star*"])
def test_a_folder_is_taken_by_its_name_before_it_is_taken_for_a_pattern(tmp_path, folder):
    put(tmp_path, f"{folder}/a.jsonl", f"{folder}/b.jsonl", "data1/c.jsonl", "star-1/d.jsonl")
    both = [f"{folder}/a.jsonl", f"{folder}/b.jsonl"]
    assert read_names(tmp_path, tmp_path / folder) == both
    assert read_names(tmp_path, tmp_path / folder / "*.jsonl") == both
    assert read_names(tmp_path, tmp_path / folder / "a.jsonl") == both[:1]


def test_a_bracket_that_is_no_folder_is_a_pattern(tmp_path):
    put(tmp_path, "a1.jsonl", "a2.jsonl", "a3.jsonl")
    assert read_names(tmp_path, tmp_path / "a[12].jsonl") == ["a1.jsonl", "a2.jsonl"]


@pytest.mark.parametrize("folder", ["data[1]", "data"])
def test_init_names_files_that_have_brackets_in_their_path_as_they_are(tmp_path, folder):
    names = [f"part[{i}].jsonl" for i in (1, 2)] if folder == "data" else [f"part-{i}.jsonl" for i in (1, 2)]
    put(tmp_path / folder, *names)
    found, _ = files.find([str(tmp_path / folder)])
    assert [p for one in found for p in resolve(Source(path=one.path)).paths] == [tmp_path / folder / n for n in names]


def test_links_to_folders_and_to_nothing_are_told(tmp_path):
    put(tmp_path, "data/a.jsonl", "elsewhere/b.jsonl")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "gone.jsonl").symlink_to(tmp_path / "nowhere.jsonl")
    (tmp_path / "data" / "file.jsonl").symlink_to(tmp_path / "elsewhere" / "b.jsonl")
    assert read_names(tmp_path, tmp_path / "data") == ["data/a.jsonl", "data/file.jsonl"]
    assert left_out(tmp_path, tmp_path / "data") == {
        "data/linked/": "is a link to a folder: name that folder as a source",
        "data/gone.jsonl": "is a broken link",
    }


def test_files_of_a_delta_table_are_refused_as_files(tmp_path):
    table = tmp_path / "tables" / "rows"
    table.parent.mkdir()
    frame = pl.DataFrame({"text": ["one", "two"], "part": ["a", "b"]})
    frame.write_delta(table, delta_write_options={"partition_by": ["part"]})
    for path in (table.parent, table / "part=a", table / "*" / "*.parquet", table / "part=a" / "*.parquet"):
        with pytest.raises(BadInput, match=f"Delta table {table}; reading its files would read rows that were deleted"):
            resolve(Source(path=str(path)))


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("**.jsonl", "cannot be looked up .*entire path component"), ("x" * 300, "cannot be looked up .*too long")],
)
def test_a_path_that_cannot_be_looked_up_is_refused(tmp_path, pattern, said):
    with pytest.raises(BadInput, match=said):
        resolve(Source(path=str(tmp_path / pattern)))


def test_a_format_that_is_said_leaves_out_files_whose_names_say_another(tmp_path):
    put(tmp_path, "a.jsonl", "README.md", "b.data")
    with pytest.raises(BadInput, match=r"cannot tell the format of .*a glob"):
        resolve(Source(path=str(tmp_path)))
    found = resolve(Source(path=str(tmp_path), format="jsonl"))
    assert [p.name for p in found.paths] == ["a.jsonl", "b.data"]
    assert found.left_out == {str(tmp_path / "README.md"): "its name says text, and `format` is jsonl"}


def test_a_version_of_what_has_none_is_refused(tmp_path):
    put(tmp_path, "a.jsonl")
    with pytest.raises(BadInput, match="`version: 3` is given, but the source is jsonl"):
        resolve(Source(path=str(tmp_path), version=3))


def test_a_folder_of_nothing_but_hidden_files_says_so(tmp_path):
    put(tmp_path, ".a.jsonl")
    with pytest.raises(BadInput, match=r"holds no file that is read \(.*\.a\.jsonl: its name begins with `\.`"):
        list(readers.read(Source(path=str(tmp_path))))
