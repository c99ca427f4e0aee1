"""A run that has nothing to do: told without Dagster, and only where a run would leave everything as it is."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from getmore_assets import liveness
from getmore_assets.lake import Lake
from getmore_assets.records import STAGE_NAMES
from getmore_assets.stages.unchanged import unchanged
from getmore_assets.task_parsing import load_task
from tests.conftest import getmore
from tests.defs.test_sensors import leave_signs


def test_a_command_that_has_nothing_to_do_loads_neither_dagster_nor_mlflow_nor_torch(ran):
    code = "import sys; from getmore_assets.cli import main\n"
    code += f"main(['run', {str(ran.file)!r}], standalone_mode=False)\n"
    code += "print('loaded:', *({'dagster', 'mlflow', 'torch', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    environment = {**os.environ, "DAGSTER_HOME": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.rpartition("loaded:")[2].split() == []
    assert f"report: {ran.records.get('scorecard').folders['report']}" in done.stderr


def test_the_records_are_those_of_the_stages_that_a_job_is_for(ran):
    task = load_task(ran.file)
    assert list(unchanged(task, "scorecard")) == list(STAGE_NAMES)
    up_to = unchanged(task, "selected_subset")
    assert list(up_to) == [
        name for name in STAGE_NAMES[: STAGE_NAMES.index("selected_subset") + 1] if name != "base_model"
    ]
    assert up_to["embeddings"] == ran.records.get("embeddings")


def cut_the_pool(lake):
    file = next((lake.root / "tables/raw_corpus").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:100])


def lose_the_export(lake):
    (lake.root / "exports/tiny/selected.parquet").unlink()


def lose_mlflow(lake):
    (lake.root / "mlflow.db").unlink()


def leave_a_killed_run(lake):
    leave_signs(liveness.folder_of(lake.root), "a-run")


def lose_an_input(lake):
    """The version of the pool that records name."""
    for file in (lake.root / "tables/raw_corpus/_delta_log").glob("*"):
        file.unlink()


def change_weights(lake):
    file = next((lake.root / "models/warmed_model").rglob("*.safetensors"))
    file.write_bytes(b"x" + file.read_bytes()[1:])


@pytest.mark.parametrize(
    "change",
    [cut_the_pool, lose_the_export, lose_mlflow, leave_a_killed_run, lose_an_input, change_weights],
    ids=lambda change: change.__name__,
)
def test_what_a_run_would_do_or_say_is_left_to_a_run(change, ran_copy):
    task = load_task(ran_copy.file)
    assert unchanged(task, "scorecard") is not None
    change(Lake(task.lake))
    assert unchanged(task, "scorecard") is None


def test_other_settings_a_check_that_does_not_hold_and_a_task_at_work_are_left_to_a_run(ran_copy):
    file, records = ran_copy.file, ran_copy.records
    task = load_task(file)
    assert unchanged(load_task(file, ["selection.budget.rows=50"]), "selected_subset") is None
    solved = records.get("ot_potentials")
    records.put(replace(solved, facts={**solved.facts, "marginal_error": 1.0}))
    assert unchanged(task, "scorecard") is None
    records.put(solved)  # its checks are evaluated again, and hold
    assert unchanged(task, "scorecard") is not None
    with Lake(task.lake).lock("command", task.name):
        assert unchanged(task, "scorecard") is None


def test_an_instance_that_is_not_the_lakes_gets_its_run(ran_copy, tmp_path, monkeypatch):
    import dagster as dg

    from getmore_assets.cli.execution import has_own_instance

    task = load_task(ran_copy.file)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert has_own_instance(task)
    with dg.DagsterInstance.local_temp(str(ran_copy.lake.root / "dagster")) as instance:
        before = instance.get_runs_count()
    assert getmore("run", str(ran_copy.file)).returncode == 0
    with dg.DagsterInstance.local_temp(str(ran_copy.lake.root / "dagster")) as instance:
        assert instance.get_runs_count() == before  # nothing ran
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert not has_own_instance(task)
    assert not has_own_instance(task.model_copy(update={"lake": str(Path(tmp_path, "none"))}))
