"""`getmore demo` in an empty folder; the demo itself runs in `tests/drives/wheel.py`."""

from pathlib import Path

import pytest

from getmore_assets.task_parsing import load_task
from tests.conftest import getmore

DEMO = Path(__file__).parents[1] / "tasks" / "demo.yaml"


@pytest.fixture
def ran_files(monkeypatch):
    """The files that the demo would run."""
    found = []
    monkeypatch.setattr("getmore_assets.cli.demo.run_job", lambda _job, file, *_: found.append(Path(file).absolute()))
    return found


def test_the_demo_writes_its_task_file_and_runs_it(ran_files, tmp_path):
    done = getmore("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = load_task(tmp_path / "demo.yaml")
    assert written.model_copy(update={"lake": ""}) == load_task(DEMO).model_copy(update={"lake": ""})
    assert written.lake == str(tmp_path / ".getmore")
    assert ran_files == [tmp_path / "demo.yaml"]


def test_a_file_that_was_changed_is_kept(ran_files, tmp_path):
    (tmp_path / "demo.yaml").write_text("name: mine\n")
    getmore("demo", cwd=tmp_path)
    assert (tmp_path / "demo.yaml").read_text() == "name: mine\n"
    assert len(ran_files) == 1
