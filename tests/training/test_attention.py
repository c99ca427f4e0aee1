"""The implementation of attention is chosen for training, and refused where it is not there."""

import importlib.util
import json
import shutil

import pytest
import torch
from transformers.models.gpt2 import modeling_gpt2

from getmore_assets import preflight
from getmore_assets.config import Small, Task, Training
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.errors import BadInput
from getmore_assets.training import attention, language_models
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.fit import fit
from getmore_assets.training.one_step import Candidate
from tests.conftest import task_fields

SHAPE = Small(layers=1, width=32, heads=2, vocabulary=400)


@pytest.fixture(scope="module")
def texts(documents):
    return documents["text"].head(40).to_list()


def test_a_training_computes_with_the_implementation_that_is_asked_for(texts, tmp_path, monkeypatch):
    computed = []
    eager = modeling_gpt2.eager_attention_forward
    monkeypatch.setattr(modeling_gpt2, "eager_attention_forward", lambda *a, **k: computed.append(1) or eager(*a, **k))
    losses = {}
    for asked in ("auto", "sdpa", "eager"):
        model, tokenizer = language_models.new_small(SHAPE, "causal", texts, 32)
        computed.clear()
        recipe = Training(attention=asked, batch_size=8, max_length=32, learning_rate=1e-3, dtype="float32")
        collate = language_models.collator(tokenizer, "causal")
        done = fit(model, Blocks(texts, tokenizer, 32), recipe, 0, tmp_path / asked, collate, name="test")
        assert len(computed) == (done.steps if asked == "eager" else 0)
        assert model.config._attn_implementation == "sdpa"
        losses[asked] = [point["loss"] for point in done.curve]
    assert losses["sdpa"] == losses["auto"]
    assert losses["eager"] == pytest.approx(losses["auto"], abs=1e-4)


def test_flash_attention_is_refused_before_work_where_its_package_or_a_gpu_is_absent(sources, tmp_path, monkeypatch):
    fields = task_fields(sources, tmp_path / "lake")
    fields["finetune"]["attention"] = "flash_attention_2"
    found = importlib.util.find_spec
    for there, missing in ((False, "flash-attn is not installed"), (True, "no GPU")):
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, *a, t=there: t or None if name == "flash_attn" else found(name, *a),
        )
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(BadInput, match=rf"^finetune\.attention: .*{missing}") as refusal:
            preflight.check(Task.model_validate(fields))
        assert "sdpa" in refusal.value.fix
    assert not (tmp_path / "lake" / "tables").exists()


def test_an_architecture_without_the_implementation_is_refused(texts, tmp_path):
    language_models.save(*language_models.new_small(SHAPE, "causal", texts, 64), tmp_path / "gpt2")
    Candidate("base_model.model", tmp_path / "gpt2").attends({"warmup.attention": "sdpa"})
    shutil.copytree(tmp_path / "gpt2", tmp_path / "xlnet")  # an architecture with one implementation of its own
    config = {"model_type": "xlnet", "vocab_size": 400, "d_model": 32, "n_head": 2, "n_layer": 1, "d_inner": 64}
    (tmp_path / "xlnet" / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match=r"^warmup\.attention: xlnet models have no sdpa"):
        Candidate("base_model.model", tmp_path / "xlnet").attends({"warmup.attention": "sdpa"})


def test_it_changes_no_cache_key_and_has_its_dtype():
    assert fingerprint(Training(attention="eager")) == fingerprint(Training())
    with pytest.raises(ValueError, match="flash_attention_2, which has no products in float32"):
        Training(attention="flash_attention_2", dtype="float32")
    with attention.switched(language_models.new_small(SHAPE, "masked", ["a text"] * 9, 16)[0], "eager", "x"):
        pass
