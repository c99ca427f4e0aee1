import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from getmore_assets.config import Encoder, Small
from getmore_assets.encoders import unit_length
from getmore_assets.encoders.readout import ReadoutEncoder
from getmore_assets.errors import BadInput
from getmore_assets.models import require_readout
from getmore_assets.training.language_models import new_small


@pytest.fixture(scope="module")
def texts(documents):
    return documents["text"].head(24).to_list()


@pytest.fixture(scope="module")
def folder(texts, tmp_path_factory):
    path = tmp_path_factory.mktemp("causal")
    model, tokenizer = new_small(Small(layers=1, width=32, heads=2, vocabulary=400), "causal", texts, 128)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def encoder_of(folder, **fields):
    chosen = {"model": str(folder), "max_length": 64, "batch_tokens": 4096, "dtype": "float32", "pooling": "readout"}
    return ReadoutEncoder(folder, Encoder(**{**chosen, **fields}))


def test_a_vector_is_the_sketched_gradient_of_the_loss_with_respect_to_the_output_matrix(folder, texts):
    encoder = encoder_of(folder)
    ids = encoder._tokenizer(texts[0], truncation=True, max_length=64, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        states = encoder._body(ids).last_hidden_state[0]
    output = encoder._head.weight.detach().clone().requires_grad_()
    torch.nn.functional.cross_entropy(states[:-1] @ output.T, ids[0, 1:], reduction="sum").backward()
    expected = (encoder._of_errors.T @ output.grad @ encoder._of_states).flatten().numpy()[None]
    np.testing.assert_allclose(encoder.encode(texts[:1]), unit_length(expected), atol=1e-5)


def test_the_sketch_keeps_the_angles_between_gradients(folder, texts):
    encoder = encoder_of(folder)
    whole = []
    for text in texts:
        ids = encoder._tokenizer(text, truncation=True, max_length=64, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            states = encoder._body(ids).last_hidden_state[0, :-1]
            errors = encoder._head(states).softmax(-1)
            errors[torch.arange(len(states)), ids[0, 1:]] -= 1
        whole.append((errors.T @ states).flatten().numpy())
    exact, sketched = unit_length(np.array(whole)), encoder.encode(texts)
    upper = np.triu_indices(len(texts), 1)
    away = (exact @ exact.T - sketched @ sketched.T)[upper]
    assert abs(away.mean()) < 0.05 and away.std() < 0.1


def test_padding_and_batches_do_not_change_a_vector(folder, texts):
    alone = np.concatenate([encoder_of(folder, batch_tokens=64).encode([text]) for text in texts[:8]])
    np.testing.assert_allclose(alone, encoder_of(folder).encode(texts[:8]), atol=1e-5)


def test_a_text_of_one_token_has_no_gradient(folder):
    assert not encoder_of(folder).encode(["", "a"])[0].any()


def test_a_model_without_a_causal_head_is_refused(folder, tmp_path):
    BertModel(BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)).save_pretrained(tmp_path)
    with pytest.raises(BadInput, match=r"readout needs a causal language model with its head; the folder names Bert"):
        require_readout(tmp_path)
    require_readout(folder)


def test_a_static_encoder_has_no_read_out():
    with pytest.raises(ValueError, match="a static encoder has no read-out"):
        Encoder(model="some/where", static=True, pooling="readout")
