"""A training on two Ray nodes that share no folder is the training in one process, also if a node is lost in it."""

import importlib.util
import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from getmore_assets.config import Small, Task
from getmore_assets.corpus import target
from getmore_assets.lake import Lake
from getmore_assets.launch import launch
from getmore_assets.remote_worker import RayNodes
from getmore_assets.training import language_models
from getmore_assets.workers.contracts import Contract, Worker
from getmore_assets.workers.training_contracts import COMPARE, FINE_TUNE, WARM_UP
from tests.conftest import task_fields
from tests.drives.ray_cluster import another_node, nodes
from tests.s3_server import BUCKET

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed")

BATCH, LENGTH = 8, 32
CLOSE = 1e-3  # of losses in nats: float32 sums in another order


@dataclass
class Given:
    """A lake on a store, with what a training reads."""

    lake: Lake
    task: Task
    fields: dict[str, Any]

    def train(self, worker: Worker, act: str, name: str, ray: RayNodes | None, **fields: Any) -> dict[str, Any]:
        """Return what the worker returns."""
        spec, work = self.spec(worker, act, name, **fields)
        return launch(worker, spec, work, ray=ray).given()

    def spec(self, worker: Worker, act: str, name: str, **fields: Any) -> tuple[Contract, Path]:
        """Return a spec for the worker, and its work folder."""
        work, folder = self.lake.folder("work", f"{act}-{name}"), self.lake.folder("models", act) / name
        given = {"act": act, "work": work, "folder": folder, "task": self.task, **self.fields, **fields}
        return worker.spec(**{name: given[name] for name in worker.spec.model_fields if name in given}), work


@pytest.fixture
def given(sources, documents, named_machine, real_processes, tmp_path) -> Given:
    named_machine("driver")
    documents.tail(20).select("text").write_ndjson(tmp_path / "general.jsonl")
    recipe = {"batch_size": BATCH, "max_length": LENGTH, "learning_rate": 1e-3}
    changes = {
        "general": str(tmp_path / "general.jsonl"),
        "warmup": {**recipe, "epochs": 8},
        "finetune": {**recipe, "epochs": 2, "rows": 20},
    }
    task = Task.model_validate(task_fields(sources, f"s3://{BUCKET}/lake", **changes))
    lake, key = Lake(task.lake), {"target": task.name}
    texts = documents["text"].head(30).to_list()
    small = language_models.new_small(Small(layers=2, width=32, heads=2, vocabulary=400), "causal", texts, LENGTH)
    base = lake.folder("models", "base_model") / "a"
    language_models.save(*small, base)
    lake.push("models")
    subset = lake.replace("selected_subset", pl.DataFrame({"text": texts, "rank": range(len(texts))}), key, {})
    kept = lake.replace(target.TABLE, target.read_target(task)[0], key, {})
    tables = {"selected_subset": subset.__dict__, "target_data": kept.__dict__, "raw_corpus": kept.__dict__}
    fields = {"lake": task.lake, "base": base, "warmed": base, "classes": [], "seed": 0, "commit": {}, **tables}
    return Given(lake, task, fields)


@pytest.fixture
def cluster(given, tmp_path) -> Iterator[Any]:
    with nodes(2, tmp_path) as cluster:
        yield cluster


def require_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """The same steps and losses."""
    assert other["steps"] == one["steps"]
    for point, again in zip(one["curve"], other["curve"], strict=True):
        assert again == pytest.approx(point, abs=CLOSE)


def left_over() -> list[psutil.Process]:
    """Return the processes of trainings that still run."""
    found = [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"]]
    return [one for one in found if "getmore_assets.workers.train" in one.info["cmdline"]]


def test_two_nodes_train_as_one_process_does(given, cluster):
    """The warm-up; the fine-tuning, with validation and the best epoch's weights; and a comparison."""
    places = {"alone": None, "together": RayNodes(cluster.address, 2)}
    require_same(*(given.train(WARM_UP, "warm_up", name, place) for name, place in places.items()))
    one, two = (given.train(FINE_TUNE, "fine_tune", name, place) for name, place in places.items())
    require_same(one, two)
    assert two["metrics"] == pytest.approx(one["metrics"], rel=CLOSE)
    assert (given.lake.root / "models/fine_tune/together/model.safetensors").is_file()
    scored = []
    for name, place in places.items():
        results = {labels: given.lake.folder("runs") / f"{name}-{labels}.json" for labels in (20, 10)}
        warms = {"hash": "target", "blocks": 2}  # the second run takes the warmed model of the first one
        runs = [
            {"selector": "knn", "seed": 0, "warms": warms, "labels": labels, "result": result}
            for labels, result in results.items()
        ]
        assert given.train(COMPARE, "compare", name, place, runs=runs, selections={})["runs"] == 2
        scored.append([json.loads(result.read_text())["perplexity"] for result in results.values()])
    assert scored[1] == pytest.approx(scored[0], rel=CLOSE)
    assert not left_over()


def test_a_node_is_lost_and_all_start_again(given, cluster, tmp_path, caplog):
    alone = given.train(WARM_UP, "warm_up", "alone", None)

    with caplog.at_level(logging.WARNING, "getmore_assets.node_group"), ThreadPoolExecutor(1) as pool:
        place = RayNodes(cluster.address, 2)
        training = pool.submit(given.train, WARM_UP, "warm_up", "together", place)
        while not list(tmp_path.glob("node-*/*/work/warm_up-together/checkpoints/checkpoint-*/trainer_state.json")):
            assert not training.done()
            time.sleep(0.01)
        (node,) = cluster.worker_nodes
        cluster.remove_node(node, allow_graceful=False)
        cluster.add_node(**another_node(tmp_path))  # signals can be set in the main thread only
        together = training.result()
    assert sum(record.name == "getmore_assets.node_group" for record in caplog.records) == 1
    require_same(alone, together)
    assert not left_over()
