"""`getmore doctor` on this machine, and on what is broken on purpose."""

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata

import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

from getmore_assets import doctor
from getmore_assets.cli import main
from getmore_assets.config import Task
from getmore_assets.contents import contents_of
from getmore_assets.encoders import encoder_fingerprint, store
from getmore_assets.errors import redacted
from getmore_assets.lake import Lake
from tests.conftest import getmore, write_task

SECRET = "hunter2"


@pytest.fixture
def examined(tmp_path, monkeypatch):
    """The command in this process, on a task of these fields, or on none."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(**fields):
        base = {"name": "t", "candidates": ["p.jsonl"], "target": {"train": "a.jsonl"}}
        file = write_task(tmp_path / "task.yaml", base | fields)
        done = CliRunner().invoke(main, ["doctor", str(file), "--json"])
        assert isinstance(done.exception, SystemExit | None), done.exception
        printed = json.loads(done.stdout.splitlines()[-1])
        return done, printed, {one["about"]: one for one in printed["found"]}

    return run


def test_this_machine_can_run_the_line(ran):
    done = getmore("doctor", str(ran.file), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    printed = json.loads(done.stdout)
    found = {one["about"]: one for one in printed["found"]}
    assert printed["bad"] == 0
    assert found["torch"]["found"] == metadata.version("torch")
    assert "a Delta table was written and read back" in found["lake"]["found"]
    assert found["MLflow"]["state"] == "ok"
    assert "mlflow.db" in found["MLflow"]["found"]
    assert found["DAGSTER_HOME"]["found"].startswith(f"not set: {ran.lake.root}/dagster, with")
    assert {"python", "dagster", "CPU", "GPU", "disk", "MiniLM", "hub", "constraints"} <= set(found)
    assert all(one["fix"] for one in printed["found"] if one["state"] != "ok")
    assert not list(ran.lake.root.glob(".*doctor*"))


def test_where_a_project_tracked_its_runs_is_looked_at_without_being_named(ran_copy):
    """As by `build_definitions(tracking_uri=…)`: the command knows the place from the records alone."""
    gone, store = "http://127.0.0.1:9", f"sqlite:///{ran_copy.lake.root}/mlflow.db"
    for stage, place in (("base_model", gone), ("warmed_model", store), ("finetuned_model", store)):
        record = replace(ran_copy.records.get(stage), mlflow_run_id="theirs", tracked_at=place)
        ran_copy.records.put(record)
    done = getmore("doctor", str(ran_copy.file), "--json")
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout)["found"]
    own, first, second = [(one["state"], one["found"]) for one in found if one["about"] == "MLflow"]
    assert own == ("ok", store)
    assert first[0] == "warning"
    assert first[1].startswith(f"{gone}, which has 1 of this lake's runs; does not answer")
    assert second == ("ok", f"{store}, which has 2 of this lake's runs")
    assert not [one for one in found if one["about"] == "damage: MLflow"]


def test_a_fit_that_was_replaced_is_found_beside_other_damage(ran_copy):
    """As in a lake of an earlier version, whose fit has no hash: only its vectors tell."""
    task = Task.model_validate(ran_copy.fields)
    path = store.fitted_file(ran_copy.lake, encoder_fingerprint(task))
    fitted = load_file(path)
    save_file({**fitted, "components": fitted["components"][::-1].copy()}, path)
    note = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**note, "contents": contents_of(path)}))
    cut = next(one for one in ran_copy.lake.root.glob("models/**/model.safetensors"))
    cut.write_bytes(cut.read_bytes()[:-8])
    done = getmore("doctor", str(ran_copy.file), "--deep", "--json")
    about = [one["about"] for one in json.loads(done.stdout)["found"] if one["state"] == "bad"]
    assert "damage: model" in about
    assert "damage: fit" in about


def test_without_a_task_nothing_is_left_behind(examined, tmp_path):
    before = sorted(tmp_path.iterdir())
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 0, done.stdout
    assert f"{tmp_path}/.getmore, which will be created on the first run" in done.stdout
    assert sorted(tmp_path.iterdir()) == before


def test_a_lake_that_cannot_be_written_is_bad(examined, tmp_path):
    (tmp_path / "file").write_text("")
    done, printed, found = examined(lake=str(tmp_path / "file" / "lake"))
    assert done.exit_code == 1
    assert printed["bad"] >= 1
    assert found["lake"]["state"] == "bad"
    assert "cannot be written to" in found["lake"]["found"]
    assert found["lake"]["fix"] == "Set `lake` to a folder you may write"


def test_a_lake_that_could_not_be_read_back_is_bad(examined, tmp_path):
    done, _, found = examined(lake=str(tmp_path / "my lake"))
    assert done.exit_code == 1
    assert "under which Delta tables cannot be read" in found["lake"]["found"]


class _Locked(BaseHTTPRequestHandler):
    """A server that lets nobody in."""

    def do_GET(self):
        self.send_response(401)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        pass


def test_no_password_is_printed(examined, monkeypatch, tmp_path):
    server = HTTPServer(("127.0.0.1", 0), _Locked)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for address in (f"http://me:{SECRET}@127.0.0.1:{server.server_port}", f"http://me:{SECRET}@127.0.0.1:9"):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
            done, _, found = examined()
            assert done.exit_code == 1
            assert found["MLflow"]["state"] == "bad"
            assert "127.0.0.1" in found["MLflow"]["found"]
            assert SECRET not in done.output
    finally:
        server.shutdown()
        server.server_close()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://me:{SECRET}/x@nowhere.invalid/db?password={SECRET}")
    done, _, found = examined()
    assert found["MLflow"]["state"] == "bad"
    assert SECRET not in done.output


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("at https://me:a@b@host:1/x now", "at https://host:1/x now"),
        ("postgresql://u:p/w@host/db?sslmode=on&password=p", "postgresql://host/db?sslmode=on&password=..."),
        ("s3://bucket/key?X-Amz-Signature=ab&x=1", "s3://bucket/key?X-Amz-Signature=...&x=1"),
        ("Authorization: Bearer abc.def-1 of hf_abcdefghijklmnopqrst", "Authorization: Bearer ... of ..."),
        ("nobody@example.org at sqlite:///a/b.db", "nobody@example.org at sqlite:///a/b.db"),
    ],
)
def test_secrets_of_urls_are_taken_out(text, left):
    assert redacted(text) == left


def test_a_folder_that_is_not_there_is_a_bad_home(examined, monkeypatch, tmp_path):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "none"))
    done, _, found = examined()
    assert done.exit_code == 1
    assert found["Dagster"]["state"] == "bad"


def test_a_model_that_cannot_be_had_is_bad(examined, tmp_path):
    done, _, found = examined(base_model={"model": "nobody/nothing"}, encoder={"model": str(tmp_path)})
    assert done.exit_code == 1
    assert "not in the hub's cache" in found["base_model.model"]["found"]
    assert "hf download nobody/nothing" in found["base_model.model"]["fix"]
    assert "no config.json" in found["encoder.model"]["found"]


def test_a_store_of_another_version_is_bad(examined, tmp_path):
    import sqlite3

    lake = Lake(tmp_path / "lake")
    store = sqlite3.connect(lake.folder() / "mlflow.db")
    store.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    store.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    store.execute("INSERT INTO alembic_version VALUES ('nonsense')")
    store.commit()
    store.close()
    done, _, found = examined(lake=str(lake.root))
    assert done.exit_code == 1
    assert found["MLflow"]["state"] == "bad"


def test_versions_that_are_not_accepted_are_bad(monkeypatch):
    real = metadata.version
    versions = {"dagster": "1.12.0", "mlflow": None, "click": "0.1"}

    def installed(name):
        if versions.get(name, "") is None:
            raise metadata.PackageNotFoundError(name)
        return versions.get(name) or real(name)

    monkeypatch.setattr(metadata, "version", installed)
    found = {one.about: one for one in doctor.examine(None, Lake("."), lambda _: [])}
    assert [found[name].state for name in ("dagster", "mlflow", "click", "polars")] == ["bad", "bad", "bad", "ok"]
    assert "where <1.14,>=1.13.27 is needed" in found["dagster"].found
    assert found["mlflow"].found == "not installed"
    assert found["constraints"].state == "warning"
    assert "dagster 1.12.0 (1.13.27 is tested)" in found["constraints"].found


def test_a_task_that_does_not_load_is_refused(tmp_path):
    done = CliRunner().invoke(main, ["doctor", str(tmp_path / "none.yaml"), "--json"])
    assert done.exit_code == 2
    assert "no such task file" in json.loads(done.stdout)["error"]
