"""A worker on a Ray node that shares no folder with this machine."""

import importlib.util
import json
import os
import signal
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from getmore_assets import node_group, remote_worker
from getmore_assets.config import Processes
from getmore_assets.errors import BadInput
from getmore_assets.forks import Exit
from getmore_assets.lake import Lake
from getmore_assets.launch import run_here
from getmore_assets.nodes import Nodes
from getmore_assets.remote_worker import RayNodes
from getmore_assets.workers import REFUSED
from tests.drives.ray_cluster import nodes
from tests.s3_server import BUCKET

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed")


def ask(lake: Lake, **paths: Path) -> Path:
    """Write a spec, and return its work folder."""
    work = lake.folder("work", "abc")
    spec = {"lake": lake.address, "work": str(work), **{name: str(path) for name, path in paths.items()}}
    (work / "spec.json").write_text(json.dumps(spec), "utf-8")
    return work


@needs_ray
def test_the_node_gets_the_files_of_the_lake_and_this_machine_what_the_node_wrote(named_machine, tmp_path):
    named_machine("driver")
    lake = Lake(f"s3://{BUCKET}/lake")
    base = lake.folder("models", "base_model", "a")
    (base / "weights").write_text("base", "utf-8")
    lake.push("models/base_model/a")
    run = lake.root / "runs/b/metrics.json"

    def train(worker: str, asked: Path, answered: Path, processes: int, nodes: Nodes | None) -> Exit:
        spec = json.loads(asked.read_text("utf-8"))
        folder, result = Path(spec["folder"]), Path(spec["runs"][0]["result"])
        for path, text in [(folder / "weights", Path(spec["base"], "weights").read_text() + " warmed"), (result, "1")]:
            path.parent.mkdir(exist_ok=True)  # a worker makes its folder, and no folder above
            path.write_text(text, "utf-8")
        answered.write_text(json.dumps([worker, processes, nodes, str(folder)]), "utf-8")
        return Exit(0, 1.0)

    work = ask(lake, base=base, folder=lake.root / "models/warmed_model/b")
    spec = json.loads((work / "spec.json").read_text("utf-8"))
    (work / "spec.json").write_text(json.dumps({**spec, "runs": [{"result": str(run)}]}), "utf-8")
    with nodes(1, tmp_path) as cluster:
        assert remote_worker.run(RayNodes(cluster.address, 1), "train", work, 1, train) == 0
    worker, processes, others, there = json.loads((work / "result.json").read_text("utf-8"))
    assert (worker, processes, others) == ("train", 1, None)
    assert not Path(there).is_relative_to(lake.root)
    assert (lake.root / "models/warmed_model/b/weights").read_text() == "base warmed"
    assert run.read_text("utf-8") == "1"


@needs_ray
def test_a_folder_that_the_node_wrote_and_this_machine_does_not_see_is_refused(tmp_path):
    lake = Lake(tmp_path / "lake")

    def train(worker: str, asked: Path, answered: Path, processes: int, nodes: Nodes | None) -> Exit:
        answered.write_text("{}", "utf-8")
        return Exit(0, 1.0)

    work = ask(lake, folder=lake.root / "models/warmed_model/b")
    with nodes(1) as cluster, pytest.raises(BadInput, match=r"does not see\. Have the lake on a store"):
        remote_worker.run(RayNodes(cluster.address, 1), "train", work, 1, train)


@needs_ray
def test_several_nodes_get_the_files_and_the_first_returns_what_it_wrote(named_machine, tmp_path):
    named_machine("driver")
    lake = Lake(f"s3://{BUCKET}/lake")
    base = lake.folder("models", "base_model", "a")
    (base / "weights").write_text("base", "utf-8")
    lake.push("models/base_model/a")

    def train(worker: str, asked: Path, answered: Path, processes: int, nodes: Nodes | None) -> Exit:
        spec = json.loads(asked.read_text("utf-8"))
        folder = Path(spec["folder"])
        folder.mkdir()
        (folder / "weights").write_text(f"{Path(spec['base'], 'weights').read_text()} of {nodes.rank}", "utf-8")
        answered.write_text(json.dumps([nodes.count, nodes.endpoint, nodes.rank, nodes.address]), "utf-8")
        return Exit(0, 1.0)

    work = ask(lake, base=base, folder=lake.root / "models/warmed_model/b")
    with nodes(2, tmp_path) as cluster:
        assert remote_worker.run(RayNodes(cluster.address, 2), "train", work, 1, train) == 0
    count, endpoint, rank, address = json.loads((work / "result.json").read_text("utf-8"))
    assert (count, rank) == (2, 0)
    assert endpoint.rpartition(":")[0] == address
    assert (lake.root / "models/warmed_model/b/weights").read_text() == "base of 0"
    wrote = sorted(path.read_text() for path in tmp_path.glob("node-*/*/models/warmed_model/b/weights"))
    assert wrote == ["base of 0", "base of 1"]


@needs_ray
def test_what_one_node_refuses_is_refused_and_the_others_do_not_wait(tmp_path, monkeypatch):
    lake = Lake(tmp_path / "lake")

    def train(worker: str, asked: Path, answered: Path, processes: int, nodes: Nodes | None) -> Exit:
        if nodes.rank == 1:
            answered.write_text("{}", "utf-8")
            return Exit(REFUSED, 1.0)
        time.sleep(3600)
        return Exit(0, 1.0)

    monkeypatch.setattr(node_group, "_SETTLE_S", 1.0)
    with nodes(2) as cluster:
        assert remote_worker.run(RayNodes(cluster.address, 2), "train", ask(lake), 1, train) == REFUSED


@needs_ray
def test_more_nodes_than_the_cluster_has_are_refused(tmp_path):
    lake = Lake(tmp_path / "lake")
    with nodes(1) as cluster, pytest.raises(BadInput, match=r"launch\.train\.nnodes: is 2, more .* \(1\)"):
        remote_worker.run(RayNodes(cluster.address, 2), "train", ask(lake), 1, run_here)


@needs_ray
def test_runs_that_were_finished_before_a_node_was_lost_are_not_repeated(tmp_path):
    lake = Lake(tmp_path / "lake")
    done, left = (lake.folder("runs") / f"{name}.json" for name in ("done", "left"))
    work = ask(lake)
    spec = {
        **json.loads((work / "spec.json").read_text("utf-8")),
        "runs": [{"result": str(done)}, {"result": str(left)}],
    }
    (work / "spec.json").write_text(json.dumps(spec), "utf-8")

    def train(worker: str, asked: Path, answered: Path, processes: int, nodes: Nodes | None) -> Exit:
        runs = [one["result"] for one in json.loads(asked.read_text("utf-8"))["runs"]]
        if not done.exists():
            done.write_text("1", "utf-8")
            os.kill(os.getpid(), signal.SIGKILL)
        answered.write_text(json.dumps(runs), "utf-8")
        return Exit(0, 1.0)

    with nodes(2) as cluster:
        assert remote_worker.run(RayNodes(cluster.address, 2), "train", work, 1, train) == 0
    assert json.loads((work / "result.json").read_text("utf-8")) == [str(left)]


@pytest.mark.parametrize(
    "other",
    [{"nnodes": 2, "rdzv_endpoint": "host:1"}, {"pod": {"image": "i", "volume_claim": "v", "mount_path": "/m"}}],
)
def test_ray_chooses_the_nodes(other):
    with pytest.raises(ValidationError, match="Ray chooses the nodes"):
        Processes.model_validate({"ray": "auto", **other})


def test_nodes_of_ray_need_no_endpoint():
    several = Processes.model_validate({"ray": "auto", "nnodes": 2, "processes": 3})
    assert (several.total, several.nodes) == (6, None)
