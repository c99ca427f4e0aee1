import tracemalloc

import pytest
import torch

from getmore_assets.config import Small
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.language_models import new_small


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
