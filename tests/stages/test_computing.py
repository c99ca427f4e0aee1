"""Work that was done and could not be recorded is found again, not done again."""

import json
from dataclasses import asdict, replace

import pytest

from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.stages.computing import compute
from getmore_assets.stages.stage_context import StageContext, StageResult
from getmore_assets.task_parsing import load_task
from tests.conftest import task_fields, write_task


@pytest.fixture
def context(sources, tmp_path):
    task = load_task(write_task(tmp_path / "task.yaml", task_fields(sources, tmp_path / "lake")))
    commit = {"dagster_run_id": "r", "code_version": "1"}
    return StageContext("stage", task, Lake(tmp_path / "lake"), {}, "f" * 32, "r" * 32, commit, None, False)


class Work:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self, context: StageContext) -> StageResult:
        self.times += 1
        folder = context.lake.folder("models", str(self.times))
        return StageResult(3, {"loss": 0.5, "curve": []}, folders={"model": str(folder)})


def test_work_whose_tracking_was_lost_is_not_done_again(context, monkeypatch):
    work = Work()
    monkeypatch.setattr("getmore_assets.tracking.TrackedRun.log_params", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        compute(context, work, {}, track=True)
    monkeypatch.undo()
    record = compute(context, work, {}, track=True)
    assert work.times == 1
    assert (record.rows, record.facts["loss"]) == (3, 0.5)
    assert not context.work.joinpath("made.json").exists()


def test_work_whose_result_is_gone_is_done_again(context):
    work = Work()
    made = work(context)
    context.work.joinpath("made.json").write_text(json.dumps(asdict(made)))
    context.lake.root.joinpath("models/1").rmdir()
    assert compute(context, work, {}, track=False).folders == {"model": str(context.lake.root / "models/2")}


def test_a_tracking_server_that_does_not_answer_is_refused_before_the_work(context, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://someone:secret@127.0.0.1:9/store")
    work = Work()
    with pytest.raises(BadInput, match=r"MLFLOW_TRACKING_URI http://127.0.0.1:9/store: does not answer") as refused:
        compute(context, work, {}, track=True)
    assert work.times == 0
    assert "secret" not in str(refused.value)


def test_what_a_killed_run_left_of_other_inputs_goes_when_the_same_recipe_is_made(context):
    def killed(context: StageContext) -> StageResult:
        (context.work / "checkpoint").write_text("half")
        raise KeyboardInterrupt

    other_task = replace(context, fingerprint="c" * 32, task=context.task.model_copy(update={"name": "other"}))
    left = {
        "other inputs": replace(context, fingerprint="a" * 32),
        "another recipe": replace(context, fingerprint="b" * 32, recipe="s" * 32),
        "another task": other_task,
        "at work": replace(context, fingerprint="d" * 32),
    }
    for one in left.values():
        with pytest.raises(KeyboardInterrupt):
            compute(one, killed, {}, track=False)
    with context.lake.lock("work", ("d" * 32)[:16]):
        compute(context, Work(), {}, track=False)
    there = {path.name[0] for path in (context.lake.root / "work").iterdir()}
    assert there == {"b", "c", "d"}
