"""How likely held-out text is: each text alone, in windows, copies once."""

import math

import pytest
import torch

from getmore_assets.config import Small
from getmore_assets.training import evaluation, language_models
from getmore_assets.training.losses import losses


@pytest.fixture(scope="module", params=["causal", "masked"])
def read(request, documents):
    texts = documents["text"].unique(maintain_order=True).head(40).to_list()
    shape = Small(layers=1, width=32, heads=2, vocabulary=400)
    return texts, *language_models.new_small(shape, request.param, texts, 64), request.param


def test_a_text_costs_the_same_whatever_stands_beside_it(read):
    texts, model, tokenizer, objective = read
    every = losses(model, tokenizer, objective, texts, 32, whole=True)
    for row in (0, 7, 31):
        alone = losses(model, tokenizer, objective, [texts[row]], 32, whole=True)
        assert alone.nats[0] == pytest.approx(every.nats[row], rel=1e-4)
        assert (alone.tokens[0], alone.characters[0]) == (every.tokens[row], every.characters[row])


def test_a_long_text_is_read_to_its_end_in_windows(read):
    _, model, tokenizer, objective = read
    text = "The cell binds a ligand, and the ligand leaves again after a while. " * 9
    cut, whole = (losses(model, tokenizer, objective, [text], 32, whole=one) for one in (False, True))
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    parts = [tokenizer.decode(ids[at : at + 31]) for at in range(0, len(ids), 31)]
    pieces = losses(model, tokenizer, objective, parts, 64)
    assert whole.characters[0] == len(text) > cut.characters[0]
    assert whole.nats[0] == pytest.approx(pieces.nats.sum(), rel=1e-3)
    assert whole.tokens[0] == pieces.tokens.sum() > cut.tokens[0]


def test_nats_of_a_causal_text_are_those_of_its_tokens_after_a_start(read):
    texts, model, tokenizer, objective = read
    if objective == "masked":
        assert "nats_per_character" not in evaluation.likelihood(model, tokenizer, objective, texts, 64)
        return
    measured = evaluation.likelihood(model, tokenizer, objective, texts[:1], 64)
    ids = tokenizer(texts[0], add_special_tokens=False)["input_ids"][:63]
    text = tokenizer.decode(ids)
    measured = evaluation.likelihood(model, tokenizer, objective, [text], 64)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[tokenizer.eos_token_id, *ids]])).logits[0, :-1].log_softmax(-1)
    nats = -float(logits.gather(1, torch.tensor(ids)[:, None]).sum())
    assert measured["nats_per_character"] == pytest.approx(nats / len(text), rel=1e-4)
    assert measured["perplexity"] == pytest.approx(math.exp(nats / len(ids)), rel=1e-4)


def test_texts_that_differ_in_marks_alone_are_one(read):
    texts, model, tokenizer, objective = read
    marked = [
        "<< Aspirin >> inhibits [[ COX-1 ]].",
        "<< Aspirin >> inhibits COX-1 .",
        "Aspirin inhibits COX-2.",
        "?",
        "!",
    ]
    assert evaluation.folded(marked) == [marked[0], marked[2], "?", "!"]
    assert evaluation.folded([]) == []
    once, again = (
        evaluation.likelihood(model, tokenizer, objective, some, 64) for some in (texts[:8], texts[:8] + texts[:3])
    )
    assert again == pytest.approx(once, rel=1e-4)
