"""A worker on a Ray node that shares no folder with this machine."""

import importlib.util
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from getmore_assets import remote_worker
from getmore_assets.config import Processes
from getmore_assets.errors import BadInput
from getmore_assets.forks import Exit
from getmore_assets.lake import Lake
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

    def train(worker: str, asked: Path, answered: Path, processes: int) -> Exit:
        spec = json.loads(asked.read_text("utf-8"))
        folder, result = Path(spec["folder"]), Path(spec["runs"][0]["result"])
        for path, text in [(folder / "weights", Path(spec["base"], "weights").read_text() + " warmed"), (result, "1")]:
            path.parent.mkdir(exist_ok=True)  # a worker makes its folder, and no folder above
            path.write_text(text, "utf-8")
        answered.write_text(json.dumps([worker, processes, str(folder)]), "utf-8")
        return Exit(0, 1.0)

    work = ask(lake, base=base, folder=lake.root / "models/warmed_model/b")
    spec = json.loads((work / "spec.json").read_text("utf-8"))
    (work / "spec.json").write_text(json.dumps({**spec, "runs": [{"result": str(run)}]}), "utf-8")
    with nodes(1, tmp_path) as cluster:
        assert remote_worker.run(cluster.address, "train", work, 1, train) == 0
    worker, processes, there = json.loads((work / "result.json").read_text("utf-8"))
    assert (worker, processes) == ("train", 1)
    assert not Path(there).is_relative_to(lake.root)
    assert (lake.root / "models/warmed_model/b/weights").read_text() == "base warmed"
    assert run.read_text("utf-8") == "1"


@needs_ray
def test_a_folder_that_the_node_wrote_and_this_machine_does_not_see_is_refused(tmp_path):
    lake = Lake(tmp_path / "lake")

    def train(worker: str, asked: Path, answered: Path, processes: int) -> Exit:
        answered.write_text("{}", "utf-8")
        return Exit(0, 1.0)

    work = ask(lake, folder=lake.root / "models/warmed_model/b")
    with nodes(1) as cluster, pytest.raises(BadInput, match=r"does not see\. Have the lake on a store"):
        remote_worker.run(cluster.address, "train", work, 1, train)


@pytest.mark.parametrize(
    "other",
    [{"nnodes": 2, "rdzv_endpoint": "host:1"}, {"pod": {"image": "i", "volume_claim": "v", "mount_path": "/m"}}],
)
def test_a_training_on_ray_has_one_node(other):
    with pytest.raises(ValidationError, match="on Ray a training has one node"):
        Processes.model_validate({"ray": "auto", **other})
