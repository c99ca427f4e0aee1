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

    def train(stop: int | None):
        model, tokenizer = language_models.new_small(shape, "causal", texts, 64)
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
    with pytest.raises(Killed):
        train(int(whole.steps * 0.6))
    resumed, more, again = train(None)
    assert resumed.steps == whole.steps
    assert more <= steps  # batches already seen are skipped or collated, never trained on twice
    weights = zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(a.sub(b).abs().max() < 1e-5 for a, b in weights)
    assert not (tmp_path / "work").exists()
