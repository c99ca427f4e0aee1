"""What a training will hold is counted without holding it, and refused where there is no room."""

import logging
from types import SimpleNamespace

import psutil
import pytest
import torch

from getmore_assets import preflight
from getmore_assets.config import Lora, Small, Task, Training
from getmore_assets.errors import BadInput
from getmore_assets.training import adapters, classifier, language_models, memory
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.fit import fit
from tests.conftest import task_fields

RECIPE = {"batch_size": 4, "max_length": 32, "dtype": "float32"}
SHAPE = Small(layers=2, width=32, heads=2, vocabulary=400)


@pytest.fixture(scope="module")
def texts(documents):
    return documents["text"].head(30).to_list()


def model_of(texts, objective="causal"):
    return language_models.new_small(SHAPE, objective, texts, 64)


@pytest.mark.parametrize("objective", ["causal", "masked"])
@pytest.mark.parametrize("lora", [None, Lora(rank=4)], ids=["all weights", "adapters"])
def test_a_pass_without_numbers_counts_what_a_real_one_keeps(objective, lora, texts):
    model, _ = model_of(texts, objective)
    trained = adapters.put_on(model, lora) if lora else model
    trained.train()
    recipe = Training(**RECIPE, lora=lora)
    own, kept = {weight.untyped_storage().data_ptr() for weight in trained.parameters()}, {}

    def pack(tensor):
        if (place := tensor.untyped_storage().data_ptr()) not in own:
            kept[place] = tensor  # held, so that no other storage has its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = trained(input_ids=torch.ones(4, 32, dtype=torch.long)).logits
    of_logits = int((1 if objective == "causal" else 0.15) * logits.numel() * 4 * 4)
    real = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    assert memory.plan(trained, recipe).activations - of_logits == pytest.approx(real, rel=0.02)


def test_bytes_of_a_weight(texts):
    model, _ = model_of(texts)
    count = model.num_parameters()

    def per_weight(*args, **recipe):
        planned = memory.plan(model, Training(**{**RECIPE, "dtype": "auto", **recipe}), *args)
        return tuple(round(getattr(planned, name) / count, 2) for name in ("weights", "gradients", "optimizer"))

    assert per_weight() == (4, 4, 8)
    assert per_weight(weights="bfloat16") == (6, 4, 8)
    assert per_weight(2, "ddp") == (4, 8, 8)
    assert per_weight(4, "fsdp")[1:] == (1, 2)
    adapted = adapters.put_on(model, Lora(rank=4))
    frozen = memory.plan(adapted, Training(**{**RECIPE, "dtype": "auto"}, weights="bfloat16", lora=Lora(rank=4)))
    assert frozen.weights < 2.5 * adapted.num_parameters()
    assert frozen.evaluation == 4 * adapted.num_parameters()


def test_what_checkpointing_and_smaller_batches_save(texts):
    model, _ = model_of(texts)
    plain, spared, halved = (
        memory.plan(model, Training(**{**RECIPE, **more})).activations
        for more in ({}, {"gradient_checkpointing": True}, {"batch_size": 2, "gradient_accumulation_steps": 2})
    )
    assert spared < plain
    assert halved == pytest.approx(plain / 2, rel=0.1)


def test_a_classifier_is_planned_too(texts):
    body, tokenizer = model_of(texts, "masked")
    network = adapters.put_on(classifier.build(body, tokenizer, ["a", "b"], "mean", 0), Lora(rank=4))
    plain, spared = (
        memory.plan(network, Training(**RECIPE, gradient_checkpointing=saves)).activations for saves in (False, True)
    )
    assert 0 < spared < plain


def test_a_large_training_is_told_and_one_without_room_refused(texts, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(memory, "_LARGE", 0)
    model, tokenizer = model_of(texts)
    given = Blocks(texts, tokenizer, 32, 8), Training(**RECIPE), 0
    collate = language_models.collator(tokenizer, "causal")
    with caplog.at_level(logging.INFO):
        fit(model, *given, tmp_path / "a", collate, name="told")
    assert "told: a process will hold about" in caplog.text
    planned = memory.plan(model, given[1])
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=planned.least + 1))
    memory.require_room(planned, "a place", 1)
    assert "a place: a process needs about" in caplog.text
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=planned.least - 1))
    with pytest.raises(BadInput, match="refused: a process needs about") as refusal:
        fit(model, *given, tmp_path / "b", collate, name="refused")
    assert "fsdp" in refusal.value.fix
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=planned.evaluation - 1))
    with pytest.raises(BadInput, match="a place") as refusal:
        memory.require_room(planned, "a place", 1)
    assert "fsdp" not in refusal.value.fix


def test_a_model_without_room_is_refused_before_work(texts, sources, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_LARGE", 0)
    language_models.save(*model_of(texts), tmp_path / "base")
    fields = task_fields(sources, tmp_path / "lake", base_model={"model": str(tmp_path / "base")})
    task = Task.model_validate(fields)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=100_000, available=100_000))
    with pytest.raises(BadInput, match=r"^warmup, base_model\.model .*: a process needs about"):
        preflight.check(task)
    assert not (tmp_path / "lake" / "tables").exists()
