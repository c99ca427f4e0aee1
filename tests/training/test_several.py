"""A training in two processes under torchrun (gloo), on one node or two, is the training in one."""

import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
from safetensors.numpy import load_file

from getmore_assets.config import Small, Task
from getmore_assets.corpus import target
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.launch import launch
from getmore_assets.nodes import Nodes
from getmore_assets.training import language_models
from getmore_assets.training.blocks import Blocks
from getmore_assets.workers.contracts import Contract, Worker
from getmore_assets.workers.training_contracts import COMPARE, FINE_TUNE, WARM_UP, CompareSpec
from tests.conftest import task_fields

BATCH, LENGTH = 8, 32
CLOSE = 1e-3  # of losses in nats: float32 sums in another order, over some ninety steps (found: 9e-5)
NEAR = 0.05  # of weights, as a share of the way they went (found: 0.01)


@dataclass
class Given:
    """Tables and a base model: what the worker is given."""

    root: Path
    task: Task
    tables: dict[str, Any]
    base: Path

    def spec(self, worker: Worker, name: str, **changes: Any) -> tuple[Contract, Path]:
        """A spec for the worker, and its work folder."""
        work = self.root / name
        work.mkdir(exist_ok=True)
        task = Task.model_validate({**self.task.model_dump(exclude_unset=True), **changes})
        act = {WARM_UP.spec: "warm_up", FINE_TUNE.spec: "fine_tune", COMPARE.spec: "compare"}[worker.spec]
        of_models = {"base": self.base, "warmed": self.base, "folder": work / "model", "classes": [], "seed": 0}
        of_models |= {"runs": [], "selections": {}}
        given = {"act": act, "task": task, "lake": task.lake, "work": work, **of_models, **self.tables}
        return worker.spec(**{name: given[name] for name in worker.spec.model_fields if name in given}), work

    def train(self, worker: Worker, name: str, processes: int, **changes: Any) -> tuple[dict[str, Any], Path]:
        """What the worker answers, and where its model is."""
        spec, work = self.spec(worker, name, **changes)
        return launch(worker, spec, work, processes).given(), work / "model"


@pytest.fixture(scope="module")
def given(sources, documents, tmp_path_factory):
    root = tmp_path_factory.mktemp("several")
    documents.tail(20).select("text").write_ndjson(root / "general.jsonl")
    recipe = {"batch_size": BATCH, "max_length": LENGTH, "learning_rate": 1e-3}
    changes = {
        "general": str(root / "general.jsonl"),
        "warmup": {**recipe, "epochs": 2},
        "finetune": {**recipe, "epochs": 2, "rows": 20},
    }
    task = Task.model_validate(task_fields(sources, root / "lake", **changes))
    lake, key = Lake(task.lake), {"target": task.name}
    texts = documents["text"].head(30).to_list()
    small = language_models.new_small(Small(layers=2, width=32, heads=2, vocabulary=400), "causal", texts, LENGTH)
    language_models.save(*small, root / "base")
    while len(Blocks(texts, small[1], LENGTH)) % 2 == 0:  # the last batch cannot be cut into halves
        texts.pop()
    rows = pl.DataFrame({"text": texts, "rank": range(len(texts))})
    subset = lake.replace("selected_subset", rows, key, {})
    kept = lake.replace(target.TABLE, target.read_target(task)[0], key, {})
    tables = {"selected_subset": subset.__dict__, "target_data": kept.__dict__, "raw_corpus": kept.__dict__}
    return Given(root, task, tables, root / "base")


@pytest.fixture(scope="module")
def alone(given):
    return given.train(WARM_UP, "alone", 1)


def require_same(given: Given, one: tuple[dict[str, Any], Path], other: tuple[dict[str, Any], Path]) -> None:
    """The same steps and losses, and weights that moved to the same place.

    Not each weight by itself: Adam makes a step of its whole length of the sign of a gradient that is nearly zero.
    """
    (said, folder), (also, beside) = one, other
    assert also["steps"] == said["steps"]
    assert [sorted(point) for point in also["curve"]] == [sorted(point) for point in said["curve"]]
    start, weights, others = (load_file(path / "model.safetensors") for path in (given.base, folder, beside))
    assert start.keys() == weights.keys() == others.keys()
    moved, apart = (
        sum(float(((weights[name] - than[name]) ** 2).sum()) for name in weights) ** 0.5 for than in (start, others)
    )
    assert apart < NEAR * moved
    for point, again in zip(said["curve"], also["curve"], strict=True):
        assert again == pytest.approx(point, abs=CLOSE)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_two_nodes_of_one_process_warm_up_as_one_does(given, alone, monkeypatch):
    """The other node is a program of its own, which is called by a file in the lake."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")  # both are this machine
    launched = {"train": {"nnodes": 2, "rdzv_endpoint": f"127.0.0.1:{free_port()}"}}
    file = given.root / "nodes.yaml"
    file.write_text(json.dumps({**given.task.model_dump(mode="json", exclude_unset=True), "launch": launched}))
    spec, _ = given.spec(WARM_UP, "nodes", launch=launched)
    work = Lake(given.task.lake).folder("work", "nodes")
    other = subprocess.Popen([sys.executable, "-m", "getmore_assets.workers.node", str(file)])
    try:
        nodes = Nodes(*spec.task.launch.train.nodes)
        answer = launch(WARM_UP, spec.model_copy(update={"work": work}), work, 1, nodes=nodes)
    finally:
        other.terminate()
        other.wait()
    together = answer.given(), spec.folder
    require_same(given, alone, together)
    assert not list(work.parent.glob("nodes-*.json"))
    assert {name: together[0][name] for name in ("blocks", "tokens", "rows")} == {
        name: alone[0][name] for name in ("blocks", "tokens", "rows")
    }


def test_two_processes_fine_tune_as_one_does(given):
    """With validation once an epoch, and the best epoch's weights."""
    one, two = given.train(FINE_TUNE, "tuned-alone", 1), given.train(FINE_TUNE, "tuned-together", 2)
    require_same(given, one, two)
    assert "eval_loss" in two[0]["curve"][-1]
    assert two[0]["metrics"] == pytest.approx(one[0]["metrics"], rel=CLOSE)


def test_two_processes_compare_as_one_does_also_where_a_race_and_its_winner_chose_alike(given):
    """Both have one result: each process must train for both, or for neither. Weights are sharded."""
    scored = []
    for processes in (1, 2):
        work = given.root / f"compared-{processes}"
        work.mkdir()
        runs = [
            {
                "selector": name,
                "seed": 0,
                "warms": {"hash": "target", "blocks": 2},
                "labels": 20,
                "result": work / "one.json",
            }
            for name in ("race", "knn")
        ]
        runs.append({"selector": "none", "seed": 0, "warms": None, "labels": 20, "result": work / "none.json"})
        launched = {"train": {"processes": processes, "strategy": "fsdp"}}
        exact = {"dtype": "float32"}  # with shards, products in bfloat16 are rounded elsewhere
        recipes = {"warmup": {**given.task.warmup.model_dump(), **exact}}
        recipes["finetune"] = {**given.task.finetune.model_dump(), **exact, "epochs": 1}
        spec, _ = given.spec(COMPARE, work.name, launch=launched, **recipes)
        asked = CompareSpec(**{**spec.model_dump(), "runs": runs})
        assert launch(COMPARE, asked, work, processes).runs == 3
        scored.append([json.loads((work / name).read_text())["perplexity"] for name in ("one.json", "none.json")])
    assert scored[1] == pytest.approx(scored[0], rel=CLOSE)
    assert scored[0][0] != pytest.approx(scored[0][1], rel=CLOSE)


def ended(process: psutil.Process) -> bool:
    """Whether it works no more; whoever inherits it may not have taken notice yet."""
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_killed_and_gone_on_with_by_one_process(given, alone):
    spec, work = given.spec(WARM_UP, "killed")
    (given.root / "killed.json").write_text(json.dumps(spec.given()))
    code = "import sys; from pathlib import Path; from getmore_assets.launch import launch; "
    code += "from getmore_assets.workers.training_contracts import WARM_UP, WarmUpSpec; "
    code += "launch(WARM_UP, WarmUpSpec.model_validate_json(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), 2)"
    run = subprocess.Popen([sys.executable, "-c", code, str(given.root / "killed.json"), str(work)])
    children: list[psutil.Process] = []
    try:
        while not list(work.glob("checkpoints/checkpoint-*/trainer_state.json")):
            assert run.poll() is None
            time.sleep(0.01)
        children = psutil.Process(run.pid).children(recursive=True)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert len(children) >= 3  # torchrun, and two of the worker
    deadline = time.monotonic() + 120
    while not all(ended(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not (work / "model").exists()
    last = max(work.glob("checkpoints/checkpoint-*/trainer_state.json"), key=lambda path: path.stat().st_mtime)
    before = [
        {name: entry[name] for name in ("step", "loss")}
        for entry in json.loads(last.read_text())["log_history"]
        if "loss" in entry
    ]

    resumed = given.train(WARM_UP, "killed", 1)
    assert 0 < before[-1]["step"] < resumed[0]["steps"]
    assert resumed[0]["curve"][: len(before)] == before  # two processes' own, to the bit
    # The first point after it is a mean since the checkpoint, not since the point before it.
    whole, parts = (
        [*said["curve"][: len(before)], *said["curve"][len(before) + 1 :]] for said in (alone[0], resumed[0])
    )
    require_same(given, (alone[0] | {"curve": whole}, alone[1]), (resumed[0] | {"curve": parts}, resumed[1]))


def test_what_one_of_them_refuses_is_refused(given):
    pytest.importorskip("peft")
    recipe = {**given.task.warmup.model_dump(exclude_unset=True), "lora": {"target_modules": ["q_proj"]}}
    with pytest.raises(BadInput, match=r"lora\.target_modules"):
        given.train(WARM_UP, "refused", 2, warmup=recipe)


def test_nothing_is_made_again_for_where_it_runs_or_what_nobody_asks_for(given):
    recipe = given.task.warmup
    before = {
        name: value
        for name, value in recipe.model_dump(mode="json").items()
        if name in ("epochs", "learning_rate", "batch_size", "max_length", "weight_decay", "warmup_ratio", "dtype")
    }
    assert fingerprint(recipe) == fingerprint(before)
    spared = recipe.model_copy(update={"gradient_checkpointing": True})
    assert fingerprint([spared]) == fingerprint([recipe])
    assert fingerprint(recipe.model_copy(update={"gradient_accumulation_steps": 2})) != fingerprint(recipe)
