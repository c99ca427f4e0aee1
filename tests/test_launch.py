import time

import polars as pl
import pytest

from getmore_assets import launch
from getmore_assets.errors import BadInput
from getmore_assets.launch import WorkerFailedError, metered


def test_a_worker_that_crashes_is_an_error_that_says_so(tmp_path):
    with pytest.raises(WorkerFailedError, match="ValidationError: 2 validation errors for Task"):
        launch.launch("solve", {"task": {}}, tmp_path)


def refused_spec(sources, tmp_path):
    """What the triage worker refuses: an encoder with more dimensions than there are words."""
    from getmore_assets.config import Task
    from getmore_assets.corpus import pool, target
    from getmore_assets.corpus.leakage import SCHEMA
    from getmore_assets.lake import Lake
    from tests.conftest import task_fields

    task = Task.model_validate(
        task_fields(sources, tmp_path / "lake", encoder={"model": "lexical", "dimensions": 5000})
    )
    lake = Lake(task.lake)
    table, _, _ = pool.build(task, lake, {})
    kept = lake.replace(target.TABLE, target.read_target(task)[0], {"target": task.name}, {})
    leaks = lake.replace("leakage", pl.DataFrame(schema=SCHEMA), {"target": task.name}, {})
    return {
        "task": task.model_dump(mode="json"),
        "lake": str(lake.root),
        "raw_corpus": table.__dict__,
        "target_data": kept.__dict__,
        "leakage": leaks.__dict__,
        "encoder": "e",
        "fitted": str(tmp_path / "f"),
        "commit": {},
    }


def test_a_refusal_comes_back_as_it_was_said(sources, tmp_path):
    with pytest.raises(BadInput, match=r"encoder\.dimensions"):
        launch.launch("triage", refused_spec(sources, tmp_path), tmp_path)


def test_time_and_memory_are_metered():
    with metered() as meter:
        held = bytearray(200 * 2**20)
        time.sleep(0.2)
    assert len(held) > 0
    assert meter.seconds >= 0.2
    assert meter.peak_rss_mb > 200


@pytest.mark.parametrize(
    ("worker", "told", "found"), [("train", {}, "0"), ("train", {"MALLOC_MMAP_MAX_": "9"}, "9"), ("solve", {}, "none")]
)
def test_a_worker_that_may_train_keeps_its_memory_unless_told_otherwise(worker, told, found, tmp_path, monkeypatch):
    monkeypatch.delenv("MALLOC_MMAP_MAX_", raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    written = tmp_path / "found"
    shown = "os.environ.get('MALLOC_MMAP_MAX_', 'none')"
    program = f"import os, pathlib; pathlib.Path({str(written)!r}).write_text({shown})"
    assert launch._run_here(["-c", program], 1, launch.settings(worker)) == 0
    assert written.read_text() == found
