import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
)

from getmore_assets.config import Small, Training
from getmore_assets.training import language_models, losses
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.fit import fit

SMALL = {"vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
CONFIGS = [
    BertConfig(**SMALL),
    RobertaConfig(**SMALL),
    MPNetConfig(**SMALL),
    ElectraConfig(**SMALL),
    DebertaV2Config(**SMALL),
    ModernBertConfig(**SMALL, pad_token_id=0, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2),
    DistilBertConfig(vocab_size=90, dim=32, n_layers=2, n_heads=2, hidden_dim=48),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
def test_logits_of_some_places_are_those_of_all(config):
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config).eval()
    ids, wanted = torch.randint(3, 90, (3, 20)), torch.rand(3, 20) < 0.2
    with torch.no_grad():
        whole = model(input_ids=ids).logits
        with language_models.only_at(model, wanted):
            some = language_models.told_at(model(input_ids=ids).logits, wanted)
        again = model(input_ids=ids).logits
    assert some.shape == (int(wanted.sum()), 90)
    assert torch.allclose(some, whole[wanted], atol=1e-5)
    assert torch.equal(again, whole)


@pytest.fixture(scope="module")
def masked(documents):
    texts = documents["text"].head(60).to_list()
    return texts, *language_models.new_small(Small(layers=1, width=32, heads=2, vocabulary=400), "masked", texts, 64)


def test_a_texts_loss_is_that_of_every_seventh_token(masked):
    texts, model, tokenizer = masked
    (found,) = losses.mean_losses(model, tokenizer, "masked", texts[:1], 64)
    ids = torch.tensor([[tokenizer.cls_token_id, *tokenizer(texts[0], add_special_tokens=False)["input_ids"][:63]]])
    chosen = torch.arange(ids.shape[1]) % 7 == 1
    with torch.no_grad():
        logits = model.eval()(input_ids=ids.masked_fill(chosen, tokenizer.mask_token_id)).logits[0]
    assert found == pytest.approx(float(cross_entropy(logits[chosen], ids[0, chosen])), rel=1e-2)  # in bfloat16


def test_a_step_moves_the_weights_as_one_that_computes_every_logit(masked, tmp_path):
    texts, _, tokenizer = masked
    blocks, recipe = Blocks(texts, tokenizer, 32, 16), Training(learning_rate=1e-3, batch_size=8, max_length=32)

    def collate(items):
        batch = torch.utils.data.default_collate(items)
        return batch | {"labels": torch.where(batch["input_ids"] % 5 == 0, batch["labels"], -100)}

    def train(work, embeddings):
        shape = Small(layers=1, width=32, heads=2, vocabulary=400)
        model, _ = language_models.new_small(shape, "masked", texts, 64)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        if not embeddings:
            model.get_output_embeddings = lambda: None  # as of a model whose head is no layer
        fit(model, blocks, recipe, 0, work, collate, name="test")
        return model.state_dict()

    some, whole = train(tmp_path / "a", True), train(tmp_path / "b", False)
    assert all(torch.allclose(some[name], whole[name], atol=1e-4) for name in whole)
