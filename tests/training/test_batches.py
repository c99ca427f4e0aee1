import copy
import shutil

import numpy as np
import pytest
import torch

from getmore_assets.config import FineTuning, Small
from getmore_assets.training import classifier, language_models
from getmore_assets.training.batches import ByLength, in_order_of_length
from getmore_assets.training.fit import fit


@pytest.fixture(scope="module")
def labelled(documents, tmp_path_factory):
    """Rows of many lengths, a small model that is not trained, and its tokenizer."""
    texts = [text[: 20 + 97 * at % 300] for at, text in enumerate(documents["text"].head(150).to_list())]
    shape = Small(layers=1, width=32, heads=2, vocabulary=400)
    model, tokenizer = language_models.new_small(shape, "causal", texts, 128)
    folder = tmp_path_factory.mktemp("origin")
    language_models.save(model, tokenizer, folder / "model")
    labels = ["long" if len(text) > 150 else "short" for text in texts]
    return folder / "model", classifier.Labelled(texts, labels, ["long", "short"], tokenizer, 128), tokenizer


def padding(rows, order, size):
    """The share of all places in batches that no token stands in."""
    batches = [
        [len(rows[at]["input_ids"]) for at in order[start : start + size]] for start in range(0, len(rows), size)
    ]
    return 1 - sum(map(sum, batches)) / sum(max(batch) * len(batch) for batch in batches)


def test_rows_of_about_one_length_share_a_batch_and_each_comes_once(labelled):
    _, rows, _ = labelled
    drawn = list(ByLength(rows, 4, 0))
    assert sorted(drawn) == list(range(len(rows)))
    assert padding(rows, drawn, 4) < padding(rows, range(len(rows)), 4) / 2
    assert padding(rows, in_order_of_length(rows), 4) < 0.05


def test_an_epoch_has_its_order_whenever_it_is_asked_for(labelled):
    _, rows, _ = labelled
    sampler, seen = ByLength(rows, 4, 7), []
    for epoch in (0, 1, 2):
        sampler.set_epoch(epoch)
        seen.append(list(sampler))
    assert len({tuple(order) for order in seen}) == 3
    again = ByLength(rows, 4, 7)
    again.set_epoch(2)
    assert list(again) == list(again) == seen[2]
    assert list(ByLength(rows, 4, 8)) not in seen


class Killed(Exception):
    pass


@pytest.mark.parametrize("validated", [True, False])
def test_a_classifier_that_was_cut_off_ends_on_the_same_weights(labelled, tmp_path, validated):
    origin, rows, tokenizer = labelled
    recipe = FineTuning(epochs=3, learning_rate=1e-3, batch_size=4, max_length=128)

    def train(stop=None):
        body, _, _ = language_models.load(origin, "causal")
        model, seen = classifier.build(body, tokenizer, ["long", "short"], "mean", 0), []

        def collate(items):
            seen.append(len(items))
            if stop is not None and len(seen) == stop:
                raise Killed
            return classifier.collator(tokenizer)(items)

        work, validation = tmp_path / "work", rows if validated else None
        fit(model, rows, recipe, 0, work, collate, name="test", validation=validation, patience=None, classifies=True)
        return model.state_dict(), len(seen)

    whole, batches = train()
    shutil.rmtree(tmp_path / "work")
    with pytest.raises(Killed):
        train(int(batches * 0.6))
    resumed, more = train()
    assert more < batches
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_epoch_that_is_most_often_right_is_kept_not_the_one_of_the_lowest_loss(labelled, tmp_path):
    origin, rows, tokenizer = labelled
    body, _, _ = language_models.load(origin, "causal")
    model = classifier.build(body, tokenizer, ["long", "short"], "mean", 0)
    judged = copy.copy(rows)
    judged.labels = np.where(np.arange(len(rows)) % 4, rows.labels, 1 - rows.labels)  # sure of these, it loses much
    recipe = FineTuning(epochs=8, learning_rate=3e-3, batch_size=4, max_length=128)
    collate = classifier.collator(tokenizer)
    done = fit(model, rows, recipe, 0, tmp_path, collate, name="test", validation=judged, classifies=True)
    epochs = [(point["eval_accuracy"], -point["eval_loss"]) for point in done.curve if "eval_accuracy" in point]
    best = max(accuracy for accuracy, _ in epochs)
    assert max(epochs, key=lambda epoch: epoch[1])[0] < best
    assert (classifier.predict(model, judged, tokenizer, 8) == judged.labels).mean() == pytest.approx(best)
