"""A training in two processes under torchrun (gloo) is the training in one."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file

from getmore_assets.config import Small, Task
from getmore_assets.corpus import target
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.launch import launch
from getmore_assets.training import language_models
from getmore_assets.training.blocks import Blocks
from tests.conftest import task_fields

BATCH, LENGTH = 8, 32
CLOSE = 1e-4  # float32 sums in another order, over some eighty steps of Adam at 1e-3


@dataclass
class Given:
    """Tables and a base model: what the worker is given."""

    root: Path
    task: Task
    tables: dict[str, Any]
    base: Path

    def spec(self, act: str, name: str, **changes: Any) -> tuple[dict[str, Any], Path]:
        """A spec for the worker, and its work folder."""
        work = self.root / name
        work.mkdir(exist_ok=True)
        task = Task.model_validate({**self.task.model_dump(exclude_unset=True), **changes})
        common = {"task": task.model_dump(mode="json", exclude_unset=True), "lake": task.lake, "work": str(work)}
        of_models = {"base": str(self.base), "warmed": str(self.base), "folder": str(work / "model"), "classes": []}
        return {"act": act, "seed": 0, **common, **of_models, **self.tables}, work

    def train(self, act: str, name: str, processes: int, **changes: Any) -> tuple[dict[str, Any], Path]:
        """What the worker answers, and where its model is."""
        spec, work = self.spec(act, name, **changes)
        return launch("train", spec, work, processes), work / "model"


@pytest.fixture(scope="module")
def given(sources, documents, tmp_path_factory):
    root = tmp_path_factory.mktemp("several")
    documents.tail(20).select("text").write_ndjson(root / "general.jsonl")
    recipe = {"batch_size": BATCH, "max_length": LENGTH, "learning_rate": 1e-3}
    changes = {
        "general": str(root / "general.jsonl"),
        "warmup": {**recipe, "epochs": 2},
        "finetune": {**recipe, "epochs": 2, "rows": 60},
    }
    task = Task.model_validate(task_fields(sources, root / "lake", **changes))
    lake, key = Lake(task.lake), {"target": task.name}
    texts = documents["text"].head(90).to_list()
    small = language_models.new_small(Small(layers=2, width=32, heads=2, vocabulary=400), "causal", texts, LENGTH)
    language_models.save(*small, root / "base")
    assert len(Blocks(texts, small[1], LENGTH)) % BATCH % 2 == 1  # the last batch cannot be cut into halves
    rows = pl.DataFrame({"text": texts, "rank": range(len(texts))})
    subset = lake.replace("selected_subset", rows, key, {})
    kept = lake.replace(target.TABLE, target.read_target(task)[0], key, {})
    tables = {"selected_subset": subset.__dict__, "target_data": kept.__dict__, "raw_corpus": kept.__dict__}
    return Given(root, task, tables, root / "base")


@pytest.fixture(scope="module")
def alone(given):
    return given.train("warm_up", "alone", 1)


def require_same(one: tuple[dict[str, Any], Path], other: tuple[dict[str, Any], Path]) -> None:
    """The same steps, the same losses and the same weights."""
    (said, folder), (also, beside) = one, other
    assert also["steps"] == said["steps"]
    assert [sorted(point) for point in also["curve"]] == [sorted(point) for point in said["curve"]]
    for point, again in zip(said["curve"], also["curve"], strict=True):
        assert again == pytest.approx(point, abs=CLOSE)
    weights, others = (load_file(path / "model.safetensors") for path in (folder, beside))
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        assert abs(value - others[name]).max() < CLOSE, name


def test_two_processes_warm_up_as_one_does(given, alone):
    together = given.train("warm_up", "together", 2)
    require_same(alone, together)
    assert {name: together[0][name] for name in ("blocks", "tokens", "rows")} == {
        name: alone[0][name] for name in ("blocks", "tokens", "rows")
    }


def test_two_processes_fine_tune_as_one_does(given):
    """With validation once an epoch, and the best epoch's weights."""
    one, two = given.train("fine_tune", "tuned-alone", 1), given.train("fine_tune", "tuned-together", 2)
    require_same(one, two)
    assert "eval_loss" in two[0]["curve"][-1]
    assert two[0]["metrics"] == pytest.approx(one[0]["metrics"], rel=CLOSE)


def test_killed_and_gone_on_with_by_one_process(given, alone):
    spec, work = given.spec("warm_up", "killed")
    (given.root / "killed.json").write_text(json.dumps(spec))
    code = "import json, sys; from pathlib import Path; from getmore_assets.launch import launch; "
    code += "launch('train', json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), 2)"
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
    workers = [child for child in children if child.is_running()]
    assert len(workers) >= 3  # torchrun, and two of it
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    assert not (work / "model").exists()
    last = max(work.glob("checkpoints/checkpoint-*/trainer_state.json"), key=lambda path: path.stat().st_mtime)
    before = [
        {name: entry[name] for name in ("step", "loss")}
        for entry in json.loads(last.read_text())["log_history"]
        if "loss" in entry
    ]
    assert (last.parent / "rng_state_1.pth").exists()
    (last.parent / "rng_state_1.pth").write_bytes(b"torn")

    resumed = given.train("warm_up", "killed", 1)
    assert 0 < before[-1]["step"] < resumed[0]["steps"]
    assert resumed[0]["curve"][: len(before)] == before  # two processes' own, to the bit
    require_same(alone, resumed)


def test_what_one_of_them_refuses_is_refused(given):
    pytest.importorskip("peft")
    recipe = {**given.task.warmup.model_dump(exclude_unset=True), "lora": {"target_modules": ["q_proj"]}}
    with pytest.raises(BadInput, match=r"lora\.target_modules"):
        given.train("warm_up", "refused", 2, warmup=recipe)


def test_batches_that_cannot_be_shared_equally_are_refused(given):
    fields = given.task.model_dump(exclude_unset=True)
    with pytest.raises(ValidationError, match=r"warmup.batch_size is 8, which 3 processes cannot share equally"):
        Task.model_validate(
            fields
            | {"base_model": {"model": "minilm", "head": {"batch_size": 9}}}
            | {"launch": {"train": {"processes": 3}}}
        )


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
