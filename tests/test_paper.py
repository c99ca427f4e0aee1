"""The paper's task files, each run on tiny local models of the same classes and on local text."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, DistilBertConfig, DistilBertForMaskedLM

from getmore_assets.config import Small
from getmore_assets.lake import Lake
from getmore_assets.task_parsing import load_task
from getmore_assets.training import language_models
from tests.conftest import getmore

FILES = Path(__file__).parents[1] / "examples" / "paper"
SHAPE = Small(layers=1, width=32, heads=2, vocabulary=500)


@pytest.fixture(scope="module")
def models(documents, tmp_path_factory):
    """Folders of a BERT, a DistilBERT, a GPT-2 and a toxicity classifier, all tiny."""
    home, texts = tmp_path_factory.mktemp("models"), documents["text"].head(200).to_list()
    bert, tokenizer = language_models.new_small(SHAPE, "masked", texts, 512)
    language_models.save(bert, tokenizer, home / "bert")
    language_models.save(*language_models.new_small(SHAPE, "causal", texts, 256), home / "gpt2")
    torch.manual_seed(0)
    shape = {"vocab_size": len(tokenizer), "dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64}
    language_models.save(DistilBertForMaskedLM(DistilBertConfig(**shape)), tokenizer, home / "distilbert")
    named = BertConfig.from_pretrained(
        home / "bert", id2label={0: "clean", 1: "toxic"}, label2id={"clean": 0, "toxic": 1}
    )
    language_models.save(BertForSequenceClassification(named), tokenizer, home / "classifier")
    return home


@pytest.fixture
def run(sources, models, tmp_path):
    """Runs a task file with its models, data and sizes replaced by local and small ones; the scorecard."""

    def go(name: str, *changes: str) -> pl.DataFrame:
        task = load_task(FILES / f"{name}.yaml")
        model = "gpt2" if task.base_model.objective == "causal" else "bert"
        local = [
            f"lake={tmp_path / 'lake'}",
            f"candidates=[{{path: {sources / 'pool.parquet'}, domain: domain}}]",
            f"base_model.model={models / model}",
            f"encoder.model={models / 'distilbert'}",
            "encoder.max_length=64",
            "warmup.max_length=64",
            "finetune.max_length=64",
            "warmup.batch_size=16",
            "finetune.batch_size=16",
            "selection.budget.rows=40",
            "seeds=1",
            *changes,
        ]
        done = getmore("run", str(FILES / f"{name}.yaml"), *local, "--json")
        assert done.returncode == 0, done.stderr[-4000:]
        assert json.loads(done.stdout.splitlines()[-1])["verdict"]
        return Lake(tmp_path / "lake").latest("scorecard").scan().collect()

    return go


def _splits(sources: Path) -> list[str]:
    return [f"target.{split}={sources / f'{split}.jsonl'}" for split in ("train", "validation", "test")]


def test_domain_adaptation(run, sources):
    compared = "compare=[none, bag-of-words, random-init]"
    scores = run("domain-adaptation", *_splits(sources), "finetune.epochs=1", compared, "triage.keep=null")
    assert scores["selector"].to_list() == ["got-d", "none", "bag-of-words", "random-init"]
    assert scores["micro_f1"].is_between(0, 1).all()
    read = scores["zero_shot_perplexity"].to_list()
    assert read[2] is None  # a bag of words reads nothing
    assert read[3] > 1  # random weights do read
    assert scores["warmup_tokens"].to_list()[1:] == [0, 0, 0]


def test_glue_with_pairs_of_sentences(run, documents, tmp_path):
    halves = documents.filter(pl.col("text").str.len_chars() > 60).head(120).with_row_index("row")
    pairs = halves.select(
        sentence1=pl.col("text").str.slice(0, 40),
        sentence2=pl.when(pl.col("row") % 2 == 0)
        .then(pl.col("text").str.slice(40, 80))
        .otherwise(pl.col("text").shift(7).fill_null("else").str.slice(0, 80)),
        label=(pl.col("row") % 2 == 0).cast(pl.Int8),
    )
    pairs.head(80).write_ndjson(tmp_path / "train.jsonl")
    pairs.tail(40).write_ndjson(tmp_path / "test.jsonl")
    files = [f"target.{split}={tmp_path / f'{split}.jsonl'}" for split in ("train", "test")]
    scores = run("glue", *files, "finetune.epochs=1", "compare=[none]", "triage.keep=null")
    assert scores["matthews"].is_between(-1, 1).all()


def test_detoxification_clean_and_contrast(run, sources, models, tmp_path):
    pl.DataFrame({"text": ["Return the", "If the value is", "This class"]}).write_ndjson(tmp_path / "prompts.jsonl")
    scores = run(
        "detoxification",
        f"target={{train: {sources / 'train.jsonl'}, negative: {sources / 'test.jsonl'}}}",
        f"toxicity.prompts={tmp_path / 'prompts.jsonl'}",
        f"toxicity.classifier={models / 'classifier'}",
        "toxicity.generations=3",
        "toxicity.tokens=5",
        "compare=[none, {selector: contrast, push: 1.0}]",
    )
    assert scores["selector"].to_list() == ["clean", "none", "contrast"]
    assert scores["expected_maximum_toxicity"].is_between(0, 1).all()
    assert scores["finetune_seconds"].is_not_null().all()
    assert scores["perplexity"].to_list() == pytest.approx(scores["zero_shot_perplexity"].to_list())  # nothing followed


def test_zero_shot(run, sources):
    scores = run(
        "zero-shot",
        f"target={{train: {sources / 'train.jsonl'}, test: {sources / 'test.jsonl'}, label: label}}",
        "zero_shot.labels={asyncio: asynchronous, email: mail}",
        "compare=[none]",
    )
    assert scores["zero_shot_accuracy"].is_between(0, 1).all()
    assert scores["micro_f1"].is_null().all()
