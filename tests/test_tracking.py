import sqlite3

import pytest
from mlflow import MlflowClient

from getmore_assets.lake import Lake, TableRef
from getmore_assets.tracking import TrackingLostError, tracked, tracking_uri

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
        run.log_metrics({"x": 2, "not a number": "y"})
        run.log_curve([{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}])
        run.log_table("raw_corpus", TableRef("/somewhere/raw_corpus", 0))
        assert run.register("t.s", folder) == "1"
        assert run.register("t.s", folder) == "2"
    client = MlflowClient(tracking_uri(lake))
    found = client.get_run(run.id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"a.b": "1"}
    assert found.data.metrics["x"] == 2
    assert [m.value for m in client.get_metric_history(run.id, "loss")] == [3.0, 2.0]
    assert found.inputs.dataset_inputs[0].dataset.digest == "v0"


def test_a_run_that_fails_says_so(lake):
    with pytest.raises(ZeroDivisionError), tracked(lake, "t s", TAGS) as run:
        raise ZeroDivisionError
    assert MlflowClient(tracking_uri(lake)).get_run(run.id).info.status == "FAILED"


def test_a_run_left_open_by_a_dead_process_is_ended(lake):
    with tracked(lake, "t s", TAGS) as first:
        pass
    client = MlflowClient(tracking_uri(lake))
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
