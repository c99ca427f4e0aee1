import pytest
import torch

from getmore_assets.config import Small, WarmUp
from getmore_assets.errors import BadInput
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.language_models import new_small
from getmore_assets.training.warmup_mix import OtherTexts, mixed_blocks


@pytest.fixture(scope="module")
def texts(documents):
    return documents["text"].head(200).to_list()


@pytest.fixture(scope="module")
def tokenizer(texts):
    return new_small(Small(layers=1, width=32, heads=2, vocabulary=400), "causal", texts, 64)[1]


def recipe(**fields):
    return WarmUp(max_length=32, **fields)


def stacked(blocks):
    return torch.stack([blocks[at]["input_ids"] for at in range(len(blocks))])


def test_the_shares_are_of_the_same_number_of_blocks(texts, tokenizer):
    asked = []

    def pool(rows):
        asked.append(rows)
        return texts[100 : 100 + rows]

    others = OtherTexts(texts[50:100], pool)
    made = mixed_blocks(texts[:50], others, tokenizer, recipe(target_share=0.5, replay=0.2), most=40)
    assert len(made) == 40
    expected = [(texts[:50], 12), (texts[50:100], 20), (texts[100:], 8)]
    assert stacked(made).equal(torch.cat([stacked(Blocks(some, tokenizer, 32, most)) for some, most in expected]))
    assert made.tokens == 40 * 32
    assert made.rows == sum(Blocks(some, tokenizer, 32, most).rows for some, most in expected)
    assert asked[0] <= 8 * 32


def test_without_shares_the_mix_is_the_selection(texts, tokenizer):
    made = mixed_blocks(texts[:50], OtherTexts([], lambda _: []), tokenizer, recipe(then_target=True), most=40)
    assert stacked(made).equal(stacked(Blocks(texts[:50], tokenizer, 32, 40)))


def test_a_small_target_is_read_three_times_and_the_rest_is_selected_text(texts, tokenizer, caplog):
    others = OtherTexts(texts[50:52], lambda _: [])
    made = mixed_blocks(texts[:50], others, tokenizer, recipe(target_share=0.9), most=None)
    of_target = Blocks(texts[50:52] * 3, tokenizer, 32)
    assert len(made) == len(Blocks(texts[:50], tokenizer, 32))
    assert stacked(made)[-len(of_target) :].equal(stacked(of_target))
    assert f"target train fills {len(of_target)} blocks in 3 rounds" in caplog.text


def test_texts_kept_apart_stay_so_in_a_mix(texts, tokenizer):
    asked = recipe(target_share=0.5, packing="isolated")
    made = mixed_blocks(texts[:50], OtherTexts(texts[50:100], lambda _: []), tokenizer, asked, most=10)
    assert all(int(made[at]["position_ids"].min()) == 0 for at in range(10))


@pytest.mark.parametrize(("share", "named"), [("target_share", "target train"), ("replay", "the pool")])
def test_texts_that_fill_no_block_are_refused(texts, tokenizer, share, named):
    others = OtherTexts(["short"], lambda _: ["short"])
    with pytest.raises(BadInput, match=rf"warmup\.{share}: {named} fills no block of 32 tokens"):
        mixed_blocks(texts[:50], others, tokenizer, recipe(**{share: 0.5}), most=10)


def test_shares_leave_tokens_to_the_selection():
    with pytest.raises(ValueError, match="leave no tokens to the selection"):
        WarmUp(target_share=0.6, replay=0.4)
