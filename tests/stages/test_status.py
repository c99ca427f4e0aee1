"""Which stages a run would make is told without making any, and as the run then does it."""

import pytest

from getmore_assets.records import STAGE_NAMES
from getmore_assets.stages.status import absent, stage_statuses
from getmore_assets.task_parsing import load_task
from tests.conftest import task_fields, write_task
from tests.defs.damage import Copy


def made(task):
    return [name for name, one in stage_statuses(task).items() if one.record is None]


def contents(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def test_where_all_is_made_all_would_be_reused_and_nothing_is_written(ran_copy):
    ran = ran_copy
    before = contents(ran.lake.root)
    assert made(load_task(ran.file)) == []
    assert made(load_task(ran.file, ["name=another"])) == list(STAGE_NAMES)
    assert contents(ran.lake.root) == before


@pytest.mark.parametrize("stage", ["embed", "solve", "train"])
def test_where_a_stage_runs_makes_nothing_anew(ran, stage):
    pod = "{image: i, volume_claim: c, mount_path: /v, gpus: 4, memory: 9Gi}"
    assert made(load_task(ran.file, [f"launch.{stage}={{pod: {pod}}}"])) == []
    other = "processes: 2" if stage == "train" else "ray: auto"
    assert made(load_task(ran.file, [f"launch.{stage}={{{other}}}"])) == []


def test_where_there_is_no_lake_none_is_made(sources, tmp_path):
    task = load_task(write_task(tmp_path / "t.yaml", task_fields(sources, tmp_path / "lake")))
    assert made(task) == list(STAGE_NAMES)
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(
    ("change", "first", "kept"),
    [
        ("seeds=3", "scorecard", 10),
        ("finetune.epochs=2", "finetuned_model", 9),
        ("selection.budget.rows=50", "selected_subset", 7),
        ("warmup.epochs=2", "warmed_model", 8),
        ("transport.epsilon=0.1", "ot_potentials", 6),
    ],
)
def test_a_change_is_met_by_the_first_stage_that_it_concerns(ran, change, first, kept):
    found = stage_statuses(load_task(ran.file, [change]))
    anew = [name for name, one in found.items() if one.record is None]
    assert anew[0] == first
    assert found[first].why == "its settings have changed"
    assert len(STAGE_NAMES) - len(anew) == kept


def test_a_target_that_changes_leaves_the_base_and_the_pool(ran, tmp_path):
    copy = Copy(ran, tmp_path)
    train = tmp_path / "train.jsonl"
    train.write_text('{"text": "Another row of what is wanted, which was not there.", "label": "email"}\n')
    task = load_task(copy.task, [f"target.train={ran.fields['target']['test']}", f"target.test={train}"])
    found = stage_statuses(task)
    assert found["raw_corpus"].record is not None
    assert found["target_data"].record is None
    assert found["base_model"].why == "target_data is recomputed"
    record = copy.record("target_data")
    known = stage_statuses(task, ("another version", record.facts["evaluated_version"]))
    assert known["base_model"].record is not None
    assert known["leakage"].record is not None
    assert (
        known["ot_potentials"].why.startswith(("domain_triage", "embeddings")) or known["ot_potentials"].record is None
    )


def test_a_model_that_is_not_here_is_named_and_not_fetched(ran):
    task = load_task(ran.file, ["base_model.model=nobody/nothing"])
    assert absent(task) == {"base_model.model": "nobody/nothing"}
    assert "base_model.model is not on this machine" in stage_statuses(task)["base_model"].why
