"""A model that holds its weights in bfloat16 learns what one in float32 does, by its float32 masters."""

import shutil

import pytest
import torch

from getmore_assets.config import Lora, Small, Training
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.training import language_models
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.fit import fit
from tests.training.two_processes import in_two

LENGTH, EPOCHS = 32, 2
RECIPE = {"epochs": EPOCHS, "batch_size": 8, "max_length": LENGTH, "learning_rate": 1e-4}
SHAPE = Small(layers=2, width=32, heads=2, vocabulary=400)
CLOSE = 2e-3  # of losses in nats (found: 1.2e-4)
NEAR = 0.1  # of weights, as a share of the way they went (found: 0.018)


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def train(documents, tmp_path_factory):
    root, texts = tmp_path_factory.mktemp("masters"), documents["text"].head(60).to_list()
    base, tokenizer = language_models.new_small(SHAPE, "causal", texts, LENGTH)
    language_models.save(base, tokenizer, root / "base")
    blocks, held = Blocks(texts[10:], tokenizer, LENGTH, 99), Blocks(texts[:10], tokenizer, LENGTH, 20)

    def trained(name, stop=None, strategy="ddp", **recipe):
        model, _, _ = language_models.load(root / "base", "causal")
        seen = []

        def collate(items):
            seen.append({weight.dtype for weight in model.parameters() if weight.numel()})
            if len(seen) == stop:
                raise Killed
            return language_models.collator(tokenizer, "causal")(items)

        asked = Training(**{**RECIPE, **recipe})
        done = fit(model, blocks, asked, 0, root / name, collate, name="test", validation=held, strategy=strategy)
        assert {weight.dtype for weight in model.parameters()} == {torch.float32}
        return model, done, seen

    trained.root = root
    return trained


@torch.no_grad()
def apart(one, other):
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return sum(float((a - b).square().sum()) for a, b in pairs) ** 0.5


def test_a_step_smaller_than_a_bfloat16_is_not_lost(train):
    base, _, _ = language_models.load(train.root / "base", "causal")
    exact, told, _ = train("float32", dtype="float32")
    held, again, seen = train("bfloat16", weights="bfloat16")
    assert all(dtypes == {torch.bfloat16} for dtypes in seen[1:-2])
    for point, near in zip(told.curve, again.curve, strict=True):
        assert near == pytest.approx(point, abs=CLOSE)
    assert apart(held, exact) < NEAR * apart(base, exact)
    rounded, _, _ = language_models.load(train.root / "base", "causal")
    rounded.bfloat16().float()
    assert apart(held, exact) < apart(rounded, base)  # nearer than bfloat16 numbers are to what they stand for


def test_a_training_that_was_cut_off_goes_on_from_its_masters(train):
    whole, told, seen = train("whole", weights="bfloat16")
    with pytest.raises(Killed):
        train("parts", stop=len(seen) // 2 + 4, weights="bfloat16")
    assert list((train.root / "parts").glob("checkpoint-*/model.safetensors"))
    resumed, again, _ = train("parts", weights="bfloat16")
    assert again.steps == told.steps
    assert again.curve[-1] == pytest.approx(told.curve[-1], abs=1e-5)
    assert apart(whole, resumed) < 1e-5


def test_frozen_weights_are_rounded_and_adapters_merged_into_them(train):
    base, _, _ = language_models.load(train.root / "base", "causal")
    before = {name: weight.bfloat16().float() for name, weight in base.state_dict().items()}
    model, _, _ = train("adapters", weights="bfloat16", lora=Lora(rank=4), learning_rate=1e-3)
    moved = {name for name, weight in model.state_dict().items() if not weight.equal(before[name])}
    assert moved == {name for name in before if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))}


def test_shards_are_masters(train, tmp_path):
    _, told, _ = train("one", weights="bfloat16")
    shutil.rmtree(train.root / "one")

    def two():
        model, done, _ = train("two", weights="bfloat16", strategy="fsdp")
        rounded = sum(int((weight.bfloat16() == weight).sum()) for weight in model.parameters())
        return done.curve, rounded / model.num_parameters()

    (curve, rounded), _ = in_two(two, tmp_path)
    assert rounded < 0.5  # biases and norms begin at 0 and 1
    for point, again in zip(told.curve, curve, strict=True):
        assert again == pytest.approx(point, abs=CLOSE)


def test_it_is_in_the_cache_key_and_has_its_dtype():
    assert fingerprint(Training(weights="bfloat16")) != fingerprint(Training())
    with pytest.raises(ValueError, match="weights is bfloat16, which has no products in float32"):
        Training(weights="bfloat16", dtype="float32")
