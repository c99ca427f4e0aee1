"""Files of the user are not overwritten, unless an earlier export wrote them."""

import pytest
import yaml

from getmore_assets.errors import BadInput
from getmore_assets.exports.folder import LIST, Output, write_outputs
from getmore_assets.exports.origin import Origin

ORIGIN = Origin(
    task="tiny",
    selection_hash="0" * 32,
    selector="got-d",
    called="got-d",
    budget={"rows": 1},
    rows=1,
    words=2,
    candidates=3,
    tables={"raw_corpus": 4},
    dagster_run_id="run",
    mlflow_run_id=None,
    made_at="2026-01-01T00:00:00+00:00",
)


def file(text: str) -> Output:
    return Output("rows.jsonl", lambda path: path.write_text(text), ORIGIN)


def model(text: str) -> Output:
    def write(path):
        (path / "deep").mkdir(parents=True)
        (path / "deep" / "weights").write_text(text)

    return Output("model", write, ORIGIN)


def refused(folder, *outputs) -> str:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(BadInput) as refusal:
        write_outputs(folder, outputs)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return str(refusal.value)


def test_an_export_is_replaced_by_the_next_and_listed_with_what_it_comes_from(tmp_path):
    folder = tmp_path / "a" / "b"
    assert write_outputs(folder, [file("one"), model("one")]) == {
        "rows.jsonl": folder / "rows.jsonl",
        "model": folder / "model",
    }
    write_outputs(folder, [file("two"), model("two")])
    assert (folder / "rows.jsonl").read_text() == (folder / "model" / "deep" / "weights").read_text() == "two"
    listed = yaml.safe_load((folder / LIST).read_text())
    assert listed["rows.jsonl"]["comes_from"]["tables"] == {"raw_corpus": 4}
    assert list(listed["model"]["sha256"]) == ["model/deep/weights"]
    assert sorted(path.name for path in folder.iterdir()) == [LIST, "model", "rows.jsonl"]


def test_what_no_export_wrote_is_kept(tmp_path):
    (tmp_path / "rows.jsonl").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine too")
    assert "exists, and no export wrote it" in refused(tmp_path, file("one"), model("one"))
    (tmp_path / "rows.jsonl").unlink()
    write_outputs(tmp_path, [file("one")])
    assert (tmp_path / "notes.txt").read_text() == "mine too"


def test_a_link_is_not_followed(tmp_path):
    folder, outside = tmp_path / "out", tmp_path / "outside"
    outside.write_text("mine")
    folder.mkdir()
    (folder / "rows.jsonl").symlink_to(outside)
    assert "no export wrote it" in refused(folder, file("one"))
    (folder / "rows.jsonl").unlink()
    (folder / ".rows.jsonl.partial").symlink_to(outside)
    write_outputs(folder, [file("one")])
    assert outside.read_text() == "mine"


def test_what_was_changed_since_is_kept(tmp_path):
    write_outputs(tmp_path, [file("one"), model("one")])
    (tmp_path / "rows.jsonl").write_text("one and mine")
    assert "was changed after it was exported" in refused(tmp_path, file("two"))
    write_outputs(tmp_path, [model("two")])  # the other output is nobody else's
    (tmp_path / "model" / "checkpoint").write_text("mine")
    assert "was changed after it was exported" in refused(tmp_path, model("three"))
    (tmp_path / LIST).write_text("- mine")
    assert f"{LIST}: was changed after" in refused(tmp_path, model("three"))


def test_an_export_that_is_cut_off_can_be_done_again(tmp_path, monkeypatch):
    write_outputs(tmp_path, [file("one"), model("one")])

    def cut_off(self, target):
        if self.name == ".model.partial":
            raise KeyboardInterrupt
        self.replace(target)

    with monkeypatch.context() as patched:
        patched.setattr(type(tmp_path), "rename", cut_off)
        with pytest.raises(KeyboardInterrupt):
            write_outputs(tmp_path, [file("two"), model("two")])
    write_outputs(tmp_path, [file("three"), model("three")])
    assert (tmp_path / "rows.jsonl").read_text() == (tmp_path / "model" / "deep" / "weights").read_text() == "three"
    assert sorted(path.name for path in tmp_path.iterdir()) == [LIST, "model", "rows.jsonl"]


def test_an_output_that_cannot_be_written_leaves_nothing(tmp_path):
    def half(path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    said = refused(tmp_path, file("one"), Output("large", half, ORIGIN))
    assert "cannot be written to (No space left on device)" in said
    assert not list(tmp_path.iterdir())


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(BadInput, match="cannot be written to"):
        write_outputs(tmp_path / "out", [file("one")])
