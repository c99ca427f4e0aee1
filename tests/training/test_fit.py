import shutil

import pytest
import torch
from transformers import default_data_collator

from getmore_assets.config import Small, Training
from getmore_assets.training import fit as fitting
from getmore_assets.training import language_models
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.losses import losses


class Killed(Exception):
    pass


def test_a_training_that_was_cut_off_goes_on(documents, tmp_path, monkeypatch):
    texts = documents["text"].head(200).to_list()
    shape = Small(layers=1, width=32, heads=2, vocabulary=400)
    recipe = Training(epochs=1, learning_rate=1e-3, batch_size=4, max_length=32)

    trained = []

    def train(stop: int | None):
        model, tokenizer = language_models.new_small(shape, "causal", texts, 64)
        model.register_forward_pre_hook(lambda *_: trained.append(1))
        blocks = Blocks(texts, tokenizer, 32)
        seen = []

        def collate(items):
            seen.append(len(items))
            if stop is not None and len(seen) == stop:
                raise Killed
            return language_models.collator(tokenizer, "causal")(items)

        done = fitting.fit(model, blocks, recipe, 0, tmp_path / "work", collate, name="test")
        return done, len(seen), model

    whole, steps, model = train(None)
    assert steps == whole.steps
    shutil.rmtree(tmp_path / "work")
    with pytest.raises(Killed):
        train(int(whole.steps * 0.6))
    (kept,) = (tmp_path / "work").glob("checkpoint-*")
    for step, state in ((9998, ""), (9999, '{"global_step": 99')):  # half-written when the process died
        (tmp_path / "work" / f"checkpoint-{step}").mkdir()
        (tmp_path / "work" / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    (tmp_path / "work" / "checkpoint-10000").mkdir()
    trained.clear()
    resumed, _, again = train(None)
    assert resumed.steps == whole.steps
    assert len(trained) == whole.steps - int(kept.name.split("-")[1])
    weights = zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(a.sub(b).abs().max() < 1e-5 for a, b in weights)


@pytest.mark.parametrize(
    ("were", "wanted"), [("rng_state_0.pth", "rng_state.pth"), ("rng_state.pth", "rng_state_0.pth")]
)
def test_random_numbers_go_on_in_another_number_of_processes(were, wanted, tmp_path):
    checkpoint = tmp_path / "checkpoint-20"
    checkpoint.mkdir()
    for name in ("trainer_state.json", "optimizer.safetensors"):
        (checkpoint / name).write_text("{}")
    for name in {were, "rng_state_2.pth"}:
        torch.save({"cpu": torch.random.get_rng_state()}, checkpoint / name)
    (checkpoint / "rng_state_1.pth").write_bytes((checkpoint / were).read_bytes()[:-30])  # killed while it was written
    assert fitting._last_whole_checkpoint(tmp_path) == str(checkpoint)
    assert (checkpoint / wanted).read_bytes() == (checkpoint / were).read_bytes()
    kept = {path.name for path in checkpoint.iterdir()}
    assert kept == {
        "trainer_state.json",
        "optimizer.safetensors",
        "rng_state.pth",
        "rng_state_0.pth",
        "rng_state_2.pth",
    }


@pytest.fixture(scope="module")
def in_blocks(documents):
    """Texts, and the blocks and tokenizer of a small masked model of them."""
    texts = documents["text"].head(60).to_list()
    shape = Small(layers=2, width=32, heads=2, vocabulary=400)
    _, tokenizer = language_models.new_small(shape, "masked", texts, 64)
    return texts, shape, Blocks(texts, tokenizer, 32, most=40)


def trained(in_blocks, work, **recipe):
    """What a training without dropout left, its model, and how often a layer of it was computed."""
    texts, shape, blocks = in_blocks
    model, _ = language_models.new_small(shape, "masked", texts, 64)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    computed = []
    model.bert.encoder.layer[0].attention.register_forward_pre_hook(lambda *_: computed.append(1))

    def collate(items):
        batch = default_data_collator(items)
        batch["labels"] = torch.where(
            batch["input_ids"] % 5 == 0, batch["labels"], -100
        )  # of some rows more, of some less
        return batch

    asked = Training(**{"epochs": 2, "learning_rate": 1e-3, "batch_size": 8, "max_length": 32, **recipe})
    done = fitting.fit(model, blocks, asked, 0, work, collate, name="test", validation=blocks)
    return done, model, len(computed)


def test_gradient_checkpointing_computes_twice_and_changes_no_loss(in_blocks, tmp_path):
    plain, spared = trained(in_blocks, tmp_path / "a"), trained(in_blocks, tmp_path / "b", gradient_checkpointing=True)
    assert spared[2] == plain[2] + plain[0].steps
    for point, again in zip(plain[0].curve, spared[0].curve, strict=True):
        assert again == pytest.approx(point, abs=1e-5)


def test_two_half_batches_are_a_whole_one(in_blocks, tmp_path):
    """Also of BERT, whose own loss is a mean over a batch's masked tokens, and batches have unlike many of them."""
    whole = trained(in_blocks, tmp_path / "a")
    halves = trained(in_blocks, tmp_path / "b", batch_size=4, gradient_accumulation_steps=2)
    assert halves[0].steps == whole[0].steps == 10
    for point, again in zip(whole[0].curve, halves[0].curve, strict=True):
        assert again == pytest.approx(point, abs=1e-3)  # products in bfloat16 where there are such (found: 1.1e-4)


def test_a_masked_model_is_watched_with_the_same_masks_each_epoch(in_blocks, tmp_path):
    texts, shape, blocks = in_blocks
    model, tokenizer = language_models.new_small(shape, "masked", texts, 64)
    still = Training(epochs=3, learning_rate=1e-12, batch_size=8, max_length=32)
    masks = language_models.collator(tokenizer, "masked")
    done = fitting.fit(model, blocks, still, 0, tmp_path / "work", masks, name="test", validation=blocks)
    losses = [point["eval_loss"] for point in done.curve if "eval_loss" in point]
    assert len(losses) == 3
    assert losses == pytest.approx([losses[0]] * 3, abs=1e-5)


def test_a_model_is_evaluated_in_float32_after_a_training_in_bfloat16(documents, tmp_path):
    texts = documents["text"].head(20).to_list()
    model, tokenizer = language_models.new_small(
        Small(layers=1, width=32, heads=2, vocabulary=400), "causal", texts, 32
    )
    recipe = Training(batch_size=8, max_length=32, dtype="bfloat16")
    collate = language_models.collator(tokenizer, "causal")
    fitting.fit(model, Blocks(texts, tokenizer, 32, 16), recipe, 0, tmp_path / "work", collate, name="test")
    language_models.save(model, tokenizer, tmp_path / "model")
    again, _, _ = language_models.load(tmp_path / "model", "causal")
    trained, loaded = (losses(one, tokenizer, "causal", texts[:4], 32).nats for one in (model, again))
    assert trained.tolist() == loaded.tolist()
