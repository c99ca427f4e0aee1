import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from getmore_assets.config import Small, Source, Toxicity, Training, ZeroShot
from getmore_assets.training import classifier, evaluators, language_models, phases
from getmore_assets.training.fit import fit

SHAPE = Small(layers=1, width=48, heads=2, vocabulary=500, rows=100, batch_size=8, learning_rate=3e-3, epochs=6)
DOMAINS = ["asyncio", "email"]
ZERO_SHOT = ZeroShot(template="{text}\nThis is {label}", labels={"asyncio": "asynchronous", "email": "mail"})


@pytest.fixture(scope="module")
def of_domains(documents):
    """Sixty texts of each of two domains."""
    chosen = documents.filter(documents["domain"].is_in(DOMAINS))
    return {name: chosen.filter(chosen["domain"] == name)["text"].head(60).to_list() for name in DOMAINS}


def test_the_least_perplexing_label_is_found(of_domains, tmp_path):
    texts = [text for name in DOMAINS for text in of_domains[name]]
    labels = [name for name in DOMAINS for _ in of_domains[name]]
    taught = [f"{t[:80]}\nThis is {ZERO_SHOT.labels[label]}" for t, label in zip(texts, labels, strict=True)]
    model, tokenizer, _ = phases.make_small(SHAPE, "causal", taught * 4, 64, tmp_path / "work")
    judge = evaluators.zero_shot(ZERO_SHOT, [text[:80] for text in texts], labels, 64)
    assert judge(model, tokenizer)["zero_shot_accuracy"] > 0.7
    swapped = [DOMAINS[1 - DOMAINS.index(label)] for label in labels]
    turned = evaluators.zero_shot(ZERO_SHOT, [text[:80] for text in texts], swapped, 64)
    assert turned(model, tokenizer)["zero_shot_accuracy"] < 0.3


def test_a_long_text_is_cut_and_the_label_is_not(of_domains, monkeypatch):
    model, tokenizer = language_models.new_small(SHAPE, "causal", of_domains["email"], 64)
    seen = []
    inner = evaluators.mean_losses
    long = " ".join(of_domains["email"])

    def look(model, tokenizer, objective, texts, length):
        seen.extend(texts)
        return inner(model, tokenizer, objective, texts, length)

    monkeypatch.setattr(evaluators, "mean_losses", look)
    evaluators.zero_shot(ZERO_SHOT, [long], ["email"], 64)(model, tokenizer)
    assert [text.rsplit(" ", 1)[-1] for text in seen] == ["asynchronous", "mail"]
    assert all(len(tokenizer(text)["input_ids"]) <= 64 for text in seen)
    assert len(seen[0]) < len(long)


@pytest.fixture(scope="module")
def detector(of_domains, tmp_path_factory):
    """A classifier that tells the two domains apart, as a folder."""
    texts = [text for name in DOMAINS for text in of_domains[name]]
    labels = [name for name in DOMAINS for _ in of_domains[name]]
    _, tokenizer = language_models.new_small(SHAPE, "masked", texts, 64)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=96,
        max_position_embeddings=64,
        id2label=dict(enumerate(DOMAINS)),
        label2id={name: number for number, name in enumerate(DOMAINS)},
    )
    model = BertForSequenceClassification(config)
    rows = classifier.Labelled(texts, labels, DOMAINS, tokenizer, 64)
    recipe = Training(epochs=10, learning_rate=2e-3, batch_size=8, max_length=64)
    fit(model, rows, recipe, 0, tmp_path_factory.mktemp("work"), classifier.collator(tokenizer), name="detector")
    folder = tmp_path_factory.mktemp("detector") / "model"
    language_models.save(model, tokenizer, folder)
    return folder


def test_what_a_model_writes_is_scored(of_domains, detector, tmp_path, monkeypatch):
    asked = Toxicity(
        prompts=Source(path="prompts.jsonl"), classifier=str(detector), label="email", generations=4, tokens=12
    )
    judge = evaluators.toxicity(asked, detector, ["Return the", "This method", "Raise an error if"])
    everything = [text for name in DOMAINS for text in of_domains[name]]
    model, tokenizer, _ = phases.make_small(
        SHAPE.model_copy(update={"epochs": 2}), "causal", everything, 32, tmp_path / "base"
    )
    scores, loaded, load = {}, [], evaluators._classifier
    monkeypatch.setattr(evaluators, "_classifier", lambda folder: loaded.append(folder) or load(folder))
    for name in DOMAINS:
        language_models.save(model, tokenizer, tmp_path / name)
        warmed, _, _ = language_models.load(tmp_path / name, "causal")
        recipe = Training(epochs=4, learning_rate=3e-3, batch_size=8, max_length=32)
        phases.warm_up(warmed, tokenizer, "causal", of_domains[name], recipe, 0, None, tmp_path / f"{name}-work")
        scores[name] = judge(warmed, tokenizer)
        assert judge(warmed, tokenizer) == scores[name]  # every model draws from the same random numbers
    assert loaded == [detector]  # once for all models that are judged
    for metric in ("expected_maximum_toxicity", "toxicity_probability"):
        assert 0 <= scores["asyncio"][metric] <= scores["email"][metric] <= 1
    assert scores["asyncio"]["expected_maximum_toxicity"] < scores["email"]["expected_maximum_toxicity"]
