"""LoRA: trained, merged, and the same model for whoever loads it without PEFT."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from getmore_assets.config import FineTuning, Lora, Small, Training
from getmore_assets.errors import BadInput
from getmore_assets.training import adapters, classifier, language_models, phases

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)  # PEFT asks it

SHAPE = Small(layers=2, width=32, heads=2, vocabulary=400)
LORA = Lora(rank=4, alpha=8)
RECIPE = {"learning_rate": 5e-3, "batch_size": 8, "max_length": 32, "lora": LORA}


@pytest.fixture(scope="module")
def texts(documents):
    return documents["text"].head(40).to_list()


@pytest.fixture(scope="module", params=["causal", "masked"])
def base(request, texts, tmp_path_factory):
    """The folder of a model, and its objective."""
    folder = tmp_path_factory.mktemp(request.param) / "base"
    language_models.save(*language_models.new_small(SHAPE, request.param, texts, 64), folder)
    return folder, request.param


@torch.inference_mode()
def logits(model, tokenizer, texts):
    batch = tokenizer(texts, return_tensors="pt", truncation=True, max_length=32, padding=True)
    return model.eval()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits


def test_a_merged_model_is_its_base_with_the_adapter(base, texts, tmp_path):
    folder, objective = base
    model, tokenizer, _ = language_models.load(folder, objective)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    _, done = phases.warm_up(model, tokenizer, objective, texts, Training(**RECIPE), 0, None, tmp_path / "work")
    assert done.curve[-1]["loss"] < done.curve[0]["loss"]
    language_models.save(model, tokenizer, tmp_path / "warmed", tmp_path / "work")

    made = tmp_path / "warmed"
    assert not any(path.suffix in (".bin", ".pt") for path in made.rglob("*"))
    kept = {path.name for path in (made / "adapter").iterdir()}
    assert kept == {"adapter_config.json", "adapter_model.safetensors"}
    plain, _, missing = language_models.load(made, objective)
    assert missing == []
    assert not hasattr(plain, "peft_config")
    assert {name for name, value in plain.state_dict().items() if not value.equal(before[name])} == {
        name
        for name in before
        if name.endswith(("_attn.weight", "_proj.weight", "_fc.weight", "dense.weight"))
        or name.endswith(("query.weight", "key.weight", "value.weight"))
    }
    again, _, _ = language_models.load(folder, objective)
    adapted = peft.PeftModel.from_pretrained(again, made / "adapter")
    assert adapted.peft_config["default"].base_model_name_or_path == str(folder)
    expected = logits(adapted, tokenizer, texts[:8])
    assert torch.allclose(logits(plain, tokenizer, texts[:8]), expected, atol=1e-4)
    assert torch.allclose(logits(model, tokenizer, texts[:8]), expected, atol=1e-4)
    assert not torch.allclose(
        logits(language_models.load(folder, objective)[0], tokenizer, texts[:8]), expected, atol=1e-2
    )
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_classifiers_adapter_holds_its_head(base, texts, tmp_path):
    folder, objective = base
    model, tokenizer, _ = language_models.load(folder, objective)
    labels = ["long" if len(text) > 200 else "short" for text in texts]
    splits = [phases.Split(texts[i:j], labels[i:j]) for i, j in ((0, 20), (20, 30), (30, 40))]
    held = phases.TargetSplits(*splits, [], ["long", "short"])
    tuning = FineTuning(epochs=2, **RECIPE)
    tuned, _, _ = phases.fine_tune(model, tokenizer, objective, held, tuning, 0, tmp_path / "work")
    language_models.save(tuned, tokenizer, tmp_path / "tuned", tmp_path / "work")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "tuned")
    body, _, _ = language_models.load(folder, objective)
    again = classifier.build(body, tokenizer, held.classes, "mean", 1)
    adapted = peft.PeftModel.from_pretrained(again, tmp_path / "tuned" / "adapter")
    expected = logits(adapted, tokenizer, texts[:8])
    assert torch.allclose(logits(plain, tokenizer, texts[:8]), expected, atol=1e-4)


def test_layers_that_a_model_does_not_have_are_refused(base):
    model, _, _ = language_models.load(*base)
    with pytest.raises(BadInput, match=r"lora\.target_modules: .*q_proj"):
        adapters.put_on(model, Lora(target_modules=["q_proj"]))


def test_a_training_with_adapters_goes_on_from_its_checkpoint(texts, tmp_path):
    """The checkpoint holds the adapters alone; activations are not kept."""
    language_models.save(*language_models.new_small(SHAPE, "causal", texts, 64), tmp_path / "base")
    recipe = Training(**(RECIPE | {"lora": Lora(dropout=0.0), "gradient_checkpointing": True}))

    def train(work):
        model, tokenizer, _ = language_models.load(tmp_path / "base", "causal")
        _, done = phases.warm_up(model, tokenizer, "causal", texts, recipe, 0, None, tmp_path / work)
        return model, done

    whole, done = train("work")
    (kept,) = (tmp_path / "work").glob("checkpoint-*")
    assert int(kept.name.split("-")[1]) <= done.steps
    resumed, again = train("work")
    assert again.steps == done.steps
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, resumed.state_dict()[name], atol=1e-5), name
    assert isinstance(AutoModelForCausalLM.from_pretrained(tmp_path / "base"), type(resumed))
