"""Killed in the middle of anything, the next run goes on and selects what an undisturbed one selects."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient

from getmore_assets.corpus import python_docs
from getmore_assets.lake import Lake
from getmore_assets.tracking import tracking_uri
from tests.conftest import getmore, task_fields, write_task


@pytest.fixture(scope="module")
def big_pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "pool.parquet"
    rows = [{"text": t, "domain": d} for t, _, d in python_docs.read(["scipy", "numpy", "matplotlib", "pandas"], [])]
    pl.DataFrame(rows).write_parquet(path)
    return path


def kill_when(seen: Callable[[], bool], file: Path) -> None:
    """Start the line, kill -9 it when something is seen."""
    command = [sys.executable, "-m", "getmore_assets.cli", "run", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    try:
        while not seen():
            if process.poll() is not None:
                pytest.fail("the line ended before it could be killed")
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    time.sleep(1)  # the worker sees that its parent is gone


def test_a_run_killed_at_three_places_ends_like_an_undisturbed_one(big_pool, sources, tmp_path):
    fields = task_fields(
        sources,
        tmp_path / "killed",
        candidates=[{"path": str(big_pool), "domain": "domain"}],
        encoder={"model": "lexical", "dimensions": 64},
        transport={"epsilon": 0.002, "tolerance": 5e-5, "max_passes": 5000},
        compare=["none"],
        seeds=1,
    )
    file, lake = write_task(tmp_path / "task.yaml", fields), Lake(tmp_path / "killed")

    def versions() -> int:
        log = Path(lake.table("embeddings")) / "_delta_log"
        return len(list(log.glob("*.json"))) if log.is_dir() else 0

    kill_when(lambda: versions() >= 2, file)
    partly = pl.read_delta(lake.table("embeddings")).height
    assert lake.root.joinpath("records/tiny/raw_corpus.json").is_file()
    assert not lake.root.joinpath("records/tiny/embeddings.json").exists()
    kill_when(lambda: any(lake.root.glob("work/*/state.npz")), file)
    assert not lake.root.joinpath("records/tiny/ot_potentials.json").exists()
    kill_when(lambda: any(lake.root.glob("work/*/checkpoints/checkpoint-*/trainer_state.json")), file)

    done = getmore("run", str(file), "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    killed = json.loads(done.stdout.splitlines()[-1])
    status = {s["name"]: s["status"] for s in killed["stations"]}
    assert status["embeddings"] == "reused"
    vectors = pl.read_delta(lake.table("embeddings"))
    assert partly < vectors.height
    assert vectors["id"].is_unique().all()

    fields["lake"] = str(tmp_path / "whole")
    whole = getmore("select", str(write_task(tmp_path / "whole.yaml", fields)), "--json")
    expected = pl.read_parquet(json.loads(whole.stdout.splitlines()[-1])["selected"])
    assert pl.read_parquet(killed["selected"])["id"].to_list() == expected["id"].to_list()

    client = MlflowClient(tracking_uri(lake))
    (experiment,) = [e.experiment_id for e in client.search_experiments() if e.name == "getmore"]
    assert {r.info.status for r in client.search_runs([experiment])} == {"FINISHED", "KILLED"}
