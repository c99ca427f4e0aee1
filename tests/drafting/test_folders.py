"""`getmore init` on folders of different make: a file that a run accepts, or a question that names the choice."""

import pytest

from getmore_assets import preflight
from getmore_assets.task_parsing import load_task
from tests.conftest import getmore
from tests.drafting import folders


@pytest.mark.parametrize("make", folders.FOLDERS, ids=lambda make: make.__name__)
def test_a_folder_becomes_a_task_that_runs_or_a_question(make, documents, tmp_path, monkeypatch):
    folders.lay(make, tmp_path / "mine", documents)
    expected = folders.FOLDERS[make]
    done = getmore("init", "mine", "--json", cwd=tmp_path)
    if isinstance(expected, str):
        assert done.returncode == 2
        assert expected.replace("--target ", "--target mine/") in done.stderr
        assert not (tmp_path / "task.yaml").exists()
        return
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    task = load_task("task.yaml")
    assert (task.target.train.path, task.target.label) == (f"mine/{expected[0]}", expected[1])
    preflight.check(task)


def test_what_a_folder_becomes_is_selected_from(documents, tmp_path):
    folders.lay(folders.support, tmp_path, documents)
    assert getmore("init", ".", cwd=tmp_path).returncode == 0
    done = getmore("select", "task.yaml", "selection.budget.rows=20", "triage.sample=50", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
