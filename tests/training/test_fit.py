import shutil

import pytest

from getmore_assets.config import Small, Training
from getmore_assets.training import fit as fitting
from getmore_assets.training import language_models
from getmore_assets.training.blocks import Blocks


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
