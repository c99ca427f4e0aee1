import http.server
import logging
import sqlite3
import threading
import traceback

import pytest
from mlflow import MlflowClient

from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, TableRef
from getmore_assets.tracking import TrackingLostError, tracked
from getmore_assets.tracking_place import Tracking, dagster_url, require_reachable, run_url

TAGS = {"getmore.station": "s", "getmore.task": "t", "getmore.lake": "/l"}


@pytest.fixture
def lake(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Lake(tmp_path)


def test_a_run_holds_what_was_logged(lake, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    with tracked(lake, "t s", TAGS) as run:
        run.log_params({"a": {"b": 1}})
        run.log_metrics({"x": 2, "not a number": "y", "rounds + loss (λ 0.9)/perplexity": 3})
        run.log_curve([{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}])
        run.log_table("raw_corpus", TableRef("/somewhere/raw_corpus", 0))
        assert run.register("t.s", folder) == "1"
        assert run.register("t.s", folder) == "2"
    client = MlflowClient(Tracking().uri_for(lake))
    found = client.get_run(run.id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"a.b": "1"}
    assert found.data.metrics["x"] == 2
    assert found.data.metrics["rounds _ loss _λ 0.9_/perplexity"] == 3  # MLflow has no + and no brackets in names
    assert [m.value for m in client.get_metric_history(run.id, "loss")] == [3.0, 2.0]
    assert found.inputs.dataset_inputs[0].dataset.digest == "v0"


def test_a_store_and_an_experiment_may_be_named(lake, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of the environment")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "environment").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)  # MLflow makes an empty mlflow.db there when such a store registers a model
    folder = tmp_path / "model"
    folder.mkdir()
    for where, called in (
        (Tracking(), "of the environment"),
        (Tracking((tmp_path / "store").as_uri(), "mine"), "mine"),
    ):
        with tracked(lake, "t s", TAGS, where) as run:
            run.log_metrics({"x": 2})
            run.register("t.s", folder)
        client = MlflowClient(where.uri_for(lake))
        (found,) = client.search_runs([client.get_experiment_by_name(called).experiment_id])
        assert (found.info.run_id, found.data.metrics["x"]) == (run.id, 2)
        assert client.get_model_version("t.s", "1").run_id == run.id
    assert not (lake.root / "mlflow.db").exists()


def test_a_named_server_that_does_not_answer_is_refused_without_its_login(lake):
    where = Tracking("http://someone:hunter2@127.0.0.1:9")
    with pytest.raises(BadInput, match=r"tracking_uri http://127\.0\.0\.1:9: does not answer"):
        require_reachable(where)
    assert "hunter2" not in repr(where)


def test_every_setting_is_kept_however_many_there_are(lake):
    many = {f"setting_{number:03}": number for number in range(230)}
    with tracked(lake, "t s", TAGS) as run:
        run.log_params(many)
    found = MlflowClient(Tracking().uri_for(lake)).get_run(run.id).data.params
    assert found == {name: str(value) for name, value in many.items()}


def test_a_run_that_fails_says_so(lake):
    with pytest.raises(ZeroDivisionError), tracked(lake, "t s", TAGS) as run:
        raise ZeroDivisionError
    assert MlflowClient(Tracking().uri_for(lake)).get_run(run.id).info.status == "FAILED"


def test_a_run_left_open_by_a_dead_process_is_ended(lake):
    with tracked(lake, "t s", TAGS) as first:
        pass
    client = MlflowClient(Tracking().uri_for(lake))
    left = client.create_run(first.experiment_id, tags=TAGS).info.run_id
    others = [
        client.create_run(first.experiment_id, tags={**TAGS, f"getmore.{k}": "u"}).info.run_id for k in ("task", "lake")
    ]
    with tracked(lake, "t s", TAGS):
        pass
    assert client.get_run(left).info.status == "KILLED"
    assert {client.get_run(other).info.status for other in others} == {"RUNNING"}


def test_a_store_that_cannot_be_written_to_is_said_in_one_line(lake):
    with tracked(lake, "first", TAGS):
        pass
    store = sqlite3.connect(lake.root / "mlflow.db")
    refuse = "SELECT RAISE(ABORT, 'database or disk is full')"
    store.execute(f"CREATE TRIGGER full BEFORE INSERT ON metrics BEGIN {refuse}; END")
    store.commit()
    with pytest.raises(TrackingLostError) as lost, tracked(lake, "second", TAGS) as run:
        run.log_metrics({"loss": 1.0})
    wrong = f"MLflow's store {lake.root}/mlflow.db cannot be written to (database or disk is full)"
    assert str(lost.value).startswith(wrong)
    assert "\n" not in str(lost.value)


class Hangs(http.server.BaseHTTPRequestHandler):
    """Says that it is well, and answers nothing else."""

    def do_GET(self):
        if self.path == "/health":
            self.send_response(200)
            self.end_headers()
        else:
            self.connection.close()

    def log_message(self, *said):
        pass


def test_a_login_in_the_address_is_in_no_error_and_no_log(lake, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hangs)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://someone:hunter2@127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said = f"MLflow at http://127.0.0.1:{server.server_port} stopped"
    with pytest.raises(TrackingLostError, match=said) as lost, tracked(lake, "t s", TAGS):
        pass
    server.shutdown()
    server.server_close()
    assert "hunter2" not in "".join(traceback.format_exception(lost.value))  # what Dagster keeps of it
    assert "hunter2" not in caplog.text


def test_links_to_the_servers_hold_no_login(monkeypatch):
    for variable in ("GETMORE_MLFLOW_UI", "GETMORE_DAGSTER_UI"):
        monkeypatch.setenv(variable, "https://someone:hunter2@host.example/ui/")
    assert run_url("1", "r") == "https://host.example/ui/#/experiments/1/runs/r"
    assert Tracking("http://someone:hunter2@mlflow:5000").server == "http://mlflow:5000"
    assert dagster_url("r") == "https://host.example/ui/runs/r"


def test_a_run_has_children_that_are_described_and_comparable(lake):
    with tracked(lake, "t scorecard", TAGS) as run:
        for seed in range(2):
            made = run.child(
                f"t knn seed {seed}", "a note", {"selector": "knn", "seed": seed, "unset": None}, {"micro_f1": 0.5}
            )
        below = made.child("below", "another", {}, {})
    client = MlflowClient(Tracking().uri_for(lake))
    children = client.search_runs([run.experiment_id], f"tags.`mlflow.parentRunId` = '{run.id}'")
    assert sorted(child.data.params["seed"] for child in children) == ["0", "1"]
    assert all(set(child.data.params) == {"selector", "seed"} for child in children)
    assert all(child.data.metrics == {"micro_f1": 0.5} for child in children)
    assert all(child.data.tags["mlflow.note.content"] == "a note" for child in children)
    assert {child.info.status for child in children} == {"FINISHED"}
    (grandchild,) = client.search_runs([run.experiment_id], f"tags.`mlflow.parentRunId` = '{made.id}'")
    assert grandchild.info.run_id == below.id
