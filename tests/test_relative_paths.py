"""A lake that was moved, copied or mounted elsewhere goes on, also one whose records name absolute places."""

import json
import shutil

import pytest
from mlflow import MlflowClient

from getmore_assets import damage
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.relative_paths import absolute, relative
from getmore_assets.tracking import tracked
from getmore_assets.tracking_place import Tracking
from tests.conftest import getmore, write_task

RECORD = {
    "table": {"path": "/a/lake/tables/t", "version": 1},
    "folders": {"model": "/a/lake/models/m/0f", "elsewhere": "/b/models"},
    "figures": {"curve": "/a/lake/figures/0f/curve.png"},
    "lineage": {"table.x": "/a/lake/tables/x@v3", "run.x": "/a/lake"},
    "facts": {"ledger": {"path": "/a/lake/tables/l", "version": 0}, "earlier": {"table": {"path": "/b", "version": 0}}},
    "settings": {"lake": "lake", "name": "/a/lake/tables"},
    "rows": 1,
}


def test_places_inside_the_lake_are_relative_in_files_and_absolute_in_memory():
    written = relative(RECORD, Lake("/a/lake"))
    assert written["table"] == {"path": "tables/t", "version": 1}
    assert written["folders"] == {"model": "models/m/0f", "elsewhere": "/b/models"}
    assert written["figures"] == {"curve": "figures/0f/curve.png"}
    assert written["lineage"] == {"table.x": "tables/x@v3", "run.x": "/a/lake"}
    assert written["facts"]["ledger"]["path"] == "tables/l"
    assert written["settings"] == {"lake": ".", "name": "/a/lake/tables"}
    assert absolute(written, Lake("/a/lake")) == {**RECORD, "settings": {"lake": "/a/lake", "name": "/a/lake/tables"}}
    assert absolute(RECORD, Lake("/c")) == absolute(written, Lake("/c"))


def names(root, path):
    return [one for one in (path / "records").rglob("*.json") if str(root) in one.read_text("utf-8")]


@pytest.mark.parametrize("written", ["relative", "absolute"])
def test_a_lake_that_was_moved_goes_on_and_nothing_is_computed_again(ran_copy, tmp_path, written):
    before, after = ran_copy.lake.root, tmp_path / "elsewhere" / "moved"
    assert not names(before, before)
    if written == "absolute":  # as every record of before 0.2
        for path in (before / "records").rglob("*.json"):
            raw = absolute(json.loads(path.read_text("utf-8")), Lake(before))
            path.write_text(json.dumps({**raw, "schema": 1}), "utf-8")
        assert names(before, before)
    after.parent.mkdir()
    shutil.move(before, after)
    task = str(write_task(tmp_path / "tiny.yaml", {**ran_copy.fields, "lake": str(after)}))
    done = getmore("run", task, "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.splitlines()[-1])
    assert {one["status"] for one in printed["stages"]} == {"cached"}
    assert str(before) not in done.stdout
    id_ = Records(Lake(after), "tiny").require("selected_subset", "").table_ref().scan().collect()["id"][0]
    out = str(tmp_path / "out")
    for command in (["check"], ["explain", id_], ["export", "--format", "jsonl", "--to", out], ["plan"], ["doctor"]):
        done = getmore(command[0], task, *command[1:])
        assert done.returncode == 0, (command, done.stderr)
    assert not list(damage.find(Lake(after), deep=True))
    assert not before.exists()


def test_mlflow_finds_the_models_and_artifacts_of_a_lake_that_was_moved(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before, after, picture = Lake(tmp_path / "before"), Lake(tmp_path / "after"), tmp_path / "picture.txt"
    picture.write_text("drawn")
    tags = {"getmore.station": "s", "getmore.task": "t", "getmore.lake": str(before.root), "of": f"{before.root}-2/x"}
    with tracked(before, "t s", tags) as run:
        run.log_file(picture)
        run.register("t.s", before.folder("models", "s", "0f"))
    shutil.move(before.root, after.root)
    with tracked(after, "t s", {**tags, "getmore.lake": str(after.root)}) as second:
        second.log_file(picture)
    client = MlflowClient(Tracking().uri_for(after))
    for one in (run, second):
        assert [file.path for file in client.list_artifacts(one.id)] == ["picture.txt"]
    found = client.get_run(run.id)
    assert found.info.artifact_uri.startswith(after.root.as_uri())
    assert (found.data.tags["getmore.lake"], found.data.tags["of"]) == (str(after.root), f"{before.root}-2/x")
    assert client.get_model_version("t.s", "1").source == str(after.root / "models" / "s" / "0f")
    assert not before.root.exists()
