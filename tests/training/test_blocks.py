import tracemalloc

import pytest
import torch

from getmore_assets.config import Small
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.language_models import new_small
from getmore_assets.training.reach import uncached


@pytest.fixture(scope="module", params=["causal", "masked"])
def tokenizer(request, documents):
    shape = Small(layers=1, width=32, heads=2, vocabulary=400, rows=10)
    return new_small(shape, request.param, documents["text"].head(200).to_list(), 64)[1]


def stacked(blocks):
    return torch.stack([blocks[at]["input_ids"] for at in range(len(blocks))])


def test_every_block_is_full_and_the_texts_come_back(tokenizer, documents):
    texts = documents["text"].head(30).to_list()
    blocks = Blocks(texts, tokenizer, 32)
    first = 1 if tokenizer.cls_token_id is not None else 0
    assert all(len(blocks[i]["input_ids"]) == 32 for i in range(len(blocks)))
    assert blocks.tokens == 32 * len(blocks)
    joined = tokenizer.decode(stacked(blocks)[:, first:].flatten(), skip_special_tokens=True)
    assert "".join(texts)[: len(joined)].replace(" ", "")[:500] == joined.replace(" ", "")[:500]


def test_a_limit_is_kept_to_the_token(tokenizer, documents):
    texts = documents["text"].head(200).to_list()
    limited = Blocks(texts, tokenizer, 32, most=7)
    assert len(limited) == 7
    assert stacked(limited).equal(stacked(Blocks(texts, tokenizer, 32))[:7])
    assert limited.rows < len(texts)


def test_tokens_are_held_in_few_bytes(tokenizer, documents):
    texts = documents["text"].head(200).to_list() * 10
    tracemalloc.start()
    tokens = Blocks(texts, tokenizer, 32).tokens
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30 * tokens + 2e6  # 4 of the stream and 4 + 8 of the blocks; of a list of integers 36 alone


def test_texts_shorter_than_a_block_make_one_of_their_own_length(tokenizer):
    assert len(Blocks(["short"], tokenizer, 64)) == 1
    assert Blocks(["short"], tokenizer, 64).tokens < 64


@pytest.fixture(scope="module")
def causal(documents):
    shape = Small(layers=2, width=32, heads=2, vocabulary=400, rows=10)
    model, tokenizer = new_small(shape, "causal", documents["text"].head(200).to_list(), 64)
    return model.eval(), tokenizer


def loss(model, item):
    with torch.no_grad(), uncached(model):
        return model(**{name: value[None] for name, value in item.items()}).loss.item()


def test_an_isolated_text_is_read_as_if_it_were_alone(causal, documents):
    model, tokenizer = causal
    first, second = (text[:60] for text in documents["text"].head(2))
    length = sum(len(ids) + 1 for ids in tokenizer([first, second], add_special_tokens=False)["input_ids"])
    item = Blocks([first, second], tokenizer, length, isolated=True)[0]
    at = int((item["position_ids"] == 0).nonzero()[-1])
    assert 0 < at < length
    assert item["labels"][at] == -100
    with torch.no_grad():
        with uncached(model):
            packed = model(input_ids=item["input_ids"][None], position_ids=item["position_ids"][None]).logits[0, at:]
        joined = model(input_ids=item["input_ids"][None]).logits[0, at:]
        alone = model(input_ids=item["input_ids"][None, at:]).logits[0]
    assert torch.allclose(packed, alone, atol=1e-5)
    assert not torch.allclose(joined, alone, atol=1e-2)


def test_isolation_changes_no_loss_of_texts_that_fill_their_blocks(causal, documents):
    model, tokenizer = causal
    length = 16
    ids = tokenizer(documents["text"].head(20).to_list(), add_special_tokens=False)["input_ids"]
    texts = [tokenizer.decode(one[: length - 1]) for one in ids if len(one) >= length]
    texts = [one for one in texts if len(tokenizer(one, add_special_tokens=False)["input_ids"]) == length - 1]
    assert len(texts) > 5
    joined, isolated = Blocks(texts, tokenizer, length), Blocks(texts, tokenizer, length, isolated=True)
    assert len(joined) == len(isolated) == len(texts)
    for at in range(len(texts)):
        assert isolated[at]["position_ids"].tolist() == list(range(length))
        assert loss(model, isolated[at]) == pytest.approx(loss(model, joined[at]), abs=1e-6)


def test_a_text_that_goes_on_in_the_next_block_begins_there_at_0(causal, documents):
    _, tokenizer = causal
    blocks = Blocks(documents["text"].head(5).to_list(), tokenizer, 8, isolated=True)
    assert all(blocks[at]["position_ids"][0] == 0 for at in range(len(blocks)))
    assert max(int(blocks[at]["position_ids"].max()) for at in range(len(blocks))) == 7
