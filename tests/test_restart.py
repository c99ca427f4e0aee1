"""Killed while the potentials are solved for, the next run goes on and selects what an undisturbed one selects.

`python -m tests.drives.faults` kills the command and its workers at every other stage.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import psutil

from getmore_assets.lake import Lake
from tests.conftest import getmore, task_fields, write_task
from tests.drives.command import workers_of

LONGEST_S = 120


def kill_in_the_solve(file: Path, lake: Lake) -> int:
    """Start a selection and kill -9 it as soon as the solve has begun; how many vectors there are then."""
    environment = {k: v for k, v in os.environ.items() if k not in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI")}
    command = [sys.executable, "-m", "getmore_assets.cli", "select", str(file)]
    process = psutil.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + LONGEST_S
    try:
        while not (lake.root.joinpath("records/tiny/embeddings.json").is_file() and any(lake.root.glob("work/*/*"))):
            assert process.poll() is None, "the selection ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        workers = workers_of(process)
    finally:
        process.kill()
        process.wait()
    assert psutil.wait_procs(workers, timeout=10)[1] == []  # each sees that its parent is gone
    return pl.read_delta(lake.table("embeddings")).height


def test_a_selection_killed_in_the_solve_goes_on_and_ends_like_an_undisturbed_one(sources, tmp_path):
    fields = task_fields(sources, tmp_path / "killed", transport={"epsilon": 0.01})
    file, lake = write_task(tmp_path / "task.yaml", fields), Lake(tmp_path / "killed")
    vectors = kill_in_the_solve(file, lake)
    assert not lake.root.joinpath("records/tiny/ot_potentials.json").exists()

    done = getmore("select", str(file), "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    killed = json.loads(done.stdout.splitlines()[-1])
    status = {s["name"]: s["status"] for s in killed["stages"]}
    assert status["embeddings"] == "cached"
    kept = pl.read_delta(lake.table("embeddings"))
    assert kept.height == vectors
    assert kept["id"].is_unique().all()

    whole = write_task(tmp_path / "whole.yaml", {**fields, "lake": str(tmp_path / "whole")})
    done = getmore("select", str(whole), "--json")
    expected = pl.read_parquet(json.loads(done.stdout.splitlines()[-1])["selected"])
    assert pl.read_parquet(killed["selected"])["id"].to_list() == expected["id"].to_list()
