"""A model that cannot work is refused by field before work: real folders of tiny models, each wrong in one way."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    RobertaConfig,
    RobertaForMaskedLM,
)

from getmore_assets import preflight
from getmore_assets.config import Lora, Small, Task
from getmore_assets.errors import BadInput
from getmore_assets.training import language_models, reach
from getmore_assets.training.one_step import Candidate
from tests.conftest import task_fields

_SHAPE = Small(layers=1, width=32, heads=2, vocabulary=400, rows=10)
_TEXTS = ["Two cells divide and grow.", "def f(x): return x + 1", "细胞分裂。"] * 5
_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
_LENGTHS = {"warmup.max_length": 64, "finetune.max_length": 32}


@pytest.fixture(scope="module")
def tokenizers():
    return {o: language_models.new_small(_SHAPE, o, _TEXTS, 512)[1] for o in ("causal", "masked")}


@pytest.fixture
def saved(tokenizers, tmp_path):
    """Saves a model of a class with the tokenizer of its objective; returns its folder."""

    def save(kind, config, objective):
        torch.manual_seed(0)
        model = kind(config(vocab_size=len(tokenizers[objective]), **_SIZES))
        language_models.save(model, tokenizers[objective], tmp_path / "model")
        return tmp_path / "model"

    return save


def gpt2(tokenizers, folder, **changes):
    rows = len(tokenizers["causal"])
    config = GPT2Config(vocab_size=rows, n_embd=32, n_layer=1, n_head=2, n_positions=64, **changes)
    language_models.save(GPT2LMHeadModel(config), tokenizers["causal"], folder)
    return folder


def edit(folder, name, **changes):
    path = folder / name
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in {**fields, **changes}.items() if v is not None}))


def try_base(folder, objective="causal", lengths=_LENGTHS, loras=None):
    model = Candidate("base_model.model", folder)
    model.language_model(objective, "base_model.objective", lengths, loras or {})
    return model


@pytest.mark.parametrize(
    ("kind", "config", "objective"),
    [
        (LlamaForCausalLM, LlamaConfig, "causal"),
        (BertForMaskedLM, BertConfig, "masked"),
        (RobertaForMaskedLM, RobertaConfig, "masked"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_model_that_works_is_let_pass(saved, kind, config, objective):
    model = try_base(saved(kind, config, objective), objective)
    assert model.classifier(pairs=True, pooling="mean") is None  # what does not fit is refused by raising
    assert model.encoder(256) is None


def test_a_tokenizer_with_neither_eos_nor_sep_is_refused(tokenizers, tmp_path):
    folder = gpt2(tokenizers, tmp_path / "m")
    edit(folder, "tokenizer_config.json", eos_token=None)
    with pytest.raises(BadInput, match=r"^base_model\.model .*neither an eos_token nor a sep_token"):
        try_base(folder)


def test_a_tokenizer_without_a_mask_is_refused_for_the_masked_objective(saved):
    folder = saved(BertForMaskedLM, BertConfig, "masked")
    edit(folder, "tokenizer_config.json", mask_token=None)
    with pytest.raises(BadInput, match="no mask_token"):
        try_base(folder, "masked")


def test_a_classifier_without_padding_is_refused(saved):
    folder = saved(LlamaForCausalLM, LlamaConfig, "causal")
    edit(folder, "tokenizer_config.json", pad_token=None, eos_token=None, sep_token="<|endoftext|>")
    with pytest.raises(BadInput, match="neither a pad_token nor an eos_token"):
        try_base(folder).classifier(pairs=False, pooling="mean")


def test_tokens_beyond_the_embedding_are_refused_by_name(tokenizers, tmp_path):
    folder, rows = gpt2(tokenizers, tmp_path / "m"), len(tokenizers["causal"])
    more = shutil.copytree(folder, tmp_path / "more")
    tokenizer = language_models.load_tokenizer(folder)
    tokenizer.add_tokens(["<protein>"])
    tokenizer.save_pretrained(more)
    with pytest.raises(BadInput, match=rf"token {rows} \(`<protein>`\).*vocab_size {rows}"):
        try_base(more)


def test_an_embedding_of_another_length_than_the_configuration_says_is_refused(tokenizers, tmp_path):
    folder, rows = gpt2(tokenizers, tmp_path / "m"), len(tokenizers["causal"])
    edit(folder, "config.json", vocab_size=rows + 8)
    with pytest.raises(BadInput, match=rf"wte.weight` has {rows} rows.*vocab_size {rows + 8}"):
        try_base(folder)


def test_positions_that_a_configuration_overstates_are_found_by_trying(saved):
    """RoBERTa counts positions from two on: of 512 it has 510."""
    folder = saved(RobertaForMaskedLM, RobertaConfig, "masked")
    with pytest.raises(BadInput, match=r"^finetune\.max_length: 512 tokens.*positions for 510") as refusal:
        try_base(folder, "masked", {"warmup.max_length": 510, "finetune.max_length": 512})
    assert refusal.value.fix == "Set it to at most 510"
    with pytest.raises(BadInput, match=r"^encoder\.max_length: 512 tokens.*positions for 510"):
        Candidate("encoder.model", folder).encoder(4096)


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_an_architecture_that_reads_the_other_way_is_refused(saved, objective):
    kinds = {"causal": (BertForMaskedLM, BertConfig), "masked": (LlamaForCausalLM, LlamaConfig)}
    folder = saved(*kinds[objective], "masked")
    with pytest.raises(BadInput, match=rf"^base_model\.objective.*({objective} objective|no ForMaskedLM)"):
        try_base(folder, objective)


def test_a_language_model_without_a_classifier_in_the_library_takes_labels_and_is_no_judge(saved):
    folder = saved(GraniteForCausalLM, GraniteConfig, "causal")
    try_base(folder).classifier(pairs=False, pooling="mean")
    with pytest.raises(BadInput, match=r"granite models have no ForSequenceClassification"):
        Candidate("toxicity.classifier", folder).judge()


def test_adapters_on_layers_that_are_not_there_are_refused_by_field(tokenizers, tmp_path):
    pytest.importorskip("peft")
    with pytest.raises(BadInput, match=r"^finetune\.lora\.target_modules"):
        try_base(gpt2(tokenizers, tmp_path / "m"), loras={"finetune.lora": Lora(target_modules=["q_proj"])})


@pytest.mark.parametrize(
    ("name", "changes", "what"),
    [
        ("config.json", {"quantization_config": {"quant_method": "gptq", "bits": 4}}, r"quantised \(gptq\)"),
        ("config.json", {"model_type": "my_own", "auto_map": {"AutoConfig": "own.C"}}, "config.json cannot be used"),
        ("config.json", {"n_head": 5}, "one step of a model of its class|no model can be built"),
        ("tokenizer_config.json", {"tokenizer_class": "NoSuchTokenizer"}, "tokenizer"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(tokenizers, tmp_path, name, changes, what):
    folder = gpt2(tokenizers, tmp_path / "m")
    edit(folder, name, **changes)
    if name == "tokenizer_config.json":
        (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(BadInput, match=what):
        try_base(folder)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a Git LFS pointer"),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00{}", "is damaged"),
        (None, r"names part-2\.safetensors, which is not there"),
    ],
)
def test_weights_that_are_not_whole_are_refused(tokenizers, tmp_path, damage, what):
    folder = gpt2(tokenizers, tmp_path / "m")
    if damage is None:
        index = {"weight_map": {"a": "model.safetensors", "b": "part-2.safetensors"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    else:
        (folder / "model.safetensors").write_bytes(damage)
    with pytest.raises(BadInput, match=what):
        try_base(folder)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"n_layer": 3}, r"its files lack 24 of the body's weights, `transformer\.h\.1"),
        ({"n_positions": 512}, r"wpe\.weight` has the shape \(64, 32\), where config\.json says \(512, 32\)"),
        ({"n_inner": 48}, r"has the shape .*, where config\.json says"),
    ],
)
def test_a_configuration_that_the_weights_are_not_of_is_refused(tokenizers, tmp_path, changes, what):
    folder = gpt2(tokenizers, tmp_path / "m")
    edit(folder, "config.json", **changes)
    with pytest.raises(BadInput, match=what):
        try_base(folder)


@pytest.mark.parametrize("odd", ["other names", "another file"])
def test_weights_that_the_library_would_not_find_are_refused(tokenizers, tmp_path, odd):
    folder = gpt2(tokenizers, tmp_path / "m")
    file = folder / "model.safetensors"
    if odd == "another file":
        file.rename(folder / "weights.safetensors")
        what = "its weights cannot be loaded"
    else:
        save_file({f"mine.{name}": value for name, value in load_file(file).items()}, file, {"format": "pt"})
        what = "its files lack .* of the body's weights"
    with pytest.raises(BadInput, match=what):
        try_base(folder)


def test_texts_are_isolated_by_models_that_keep_them_apart_and_by_no_others(tokenizers, tmp_path, monkeypatch):
    model = GPT2LMHeadModel.from_pretrained(gpt2(tokenizers, tmp_path / "m")).eval()
    tokenizer = tokenizers["causal"]
    reach.require_isolation(model, tokenizer, "warmup.packing")
    assert model.config.use_cache
    whole = model.forward
    monkeypatch.setattr(model, "forward", lambda input_ids, position_ids: whole(input_ids=input_ids))
    with pytest.raises(BadInput, match=r"^warmup\.packing: gpt2 models do not keep texts of a block apart"):
        reach.require_isolation(model, tokenizer, "warmup.packing")


def test_a_head_that_is_missing_is_no_fault(saved):
    folder = saved(BertForMaskedLM, BertConfig, "masked")
    kept = {name: value for name, value in load_file(folder / "model.safetensors").items() if "cls." not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    assert try_base(folder, "masked").folder == folder  # else it is refused
    Candidate("encoder.model", folder).encoder(64)  # nor is a pooler


def test_the_preflight_tries_a_model_once_and_again_when_it_changed(tokenizers, sources, tmp_path, monkeypatch):
    folder = gpt2(tokenizers, tmp_path / "m")
    fields = task_fields(sources, tmp_path / "lake", base_model={"model": str(folder)})
    launched = []
    monkeypatch.setattr(
        preflight, "launch", lambda *given, go=preflight.launch: launched.append(given[0].name) or go(*given)
    )
    for _ in range(2):
        preflight.check(Task.model_validate(fields))
    assert launched == ["try_models"]
    assert list((tmp_path / "lake" / "work").iterdir()) == []
    edit(folder, "tokenizer_config.json", eos_token=None)
    with pytest.raises(BadInput, match=r"^base_model\.model .*neither an eos_token nor a sep_token"):
        preflight.check(Task.model_validate(fields))
