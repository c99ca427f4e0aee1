"""What a model card says, and what it must not."""

import json
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from getmore_assets.exports import card
from getmore_assets.exports.origin import origin_of


def text(ran, stage="finetuned_model", scorecard=True, **changes):
    made = replace(ran.records.get(stage), **changes)
    shown = ran.records.get("scorecard") if scorecard is True else scorecard
    return card.text(made, origin_of(ran.records, made), shown or None)


def test_it_names_selection_versions_recipe_and_runs(ran):
    said, made = text(ran, "warmed_model"), ran.records.get("warmed_model")
    assert f"| hash | `{ran.records.get('selected_subset').data_version}` |" in said
    assert "| selector | `got-d` |" in said
    assert "| budget | rows: 100 |" in said
    versions = {n: v.rpartition("@v")[2] for n, v in made.lineage.items() if n.startswith("table.")}
    assert all(f"{name.removeprefix('table.')} v{version}" in said for name, version in versions.items())
    assert f"| Dagster run | `{made.dagster_run_id}` |" in said
    assert f"| MLflow run | `{made.mlflow_run_id}` |" in said
    assert "| learning_rate | 0.001 |" in said
    assert "warmed up on 100 rows of text" in said


def test_it_shows_the_scorecard_with_intervals_and_verdict(ran):
    said, facts = text(ran), ran.records.get("scorecard").facts
    assert all(f"- {sentence}" in said for sentence in facts["verdict"])
    assert all(f"| {facts['summary'][s]['perplexity']} |" in said for s in ("got-d", "none", "random"))
    assert "means over 2 seeds, with 95 % intervals" in said
    assert "This model is the run of seed 0 of got-d." in said
    assert "{{" not in said


def test_its_front_matter_is_a_model_cards(ran):
    data = ModelCard(text(ran)).data.to_dict()
    assert data == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["getmore-assets", "got-d"],
    }


def test_nothing_of_this_machine_or_of_the_corpus_stands_in_it(ran):
    for stage in ("warmed_model", "finetuned_model"):
        said = text(ran, stage)
        assert str(ran.lake.root.parent) not in said
        texts = ran.records.get("selected_subset").table_ref().scan().collect()["text"]
        assert not any(line in said for line in texts if len(line) > 20)


@pytest.mark.parametrize("scorecard", ["none", "of another model"])
def test_a_scorecard_of_another_model_is_not_shown(ran, scorecard):
    made = ran.records.get("scorecard")
    other = replace(made, inputs={**made.inputs, "finetuned_model": "another"})
    said = text(ran, scorecard=None if scorecard == "none" else other)
    assert "This model has no scorecard yet." in said
    assert "better than" not in said


def test_a_model_that_was_kept_says_what_its_scorecard_was_measured_with(ran):
    made = ran.records.get("scorecard")
    later = replace(made, lineage={**made.lineage, "selection_hash": "f" * 32})
    said = text(ran, scorecard=later)
    assert f"measured with the selection `{'f' * 32}`" in said
    assert "the run of seed 0" not in said


def test_a_task_without_fine_tuning_says_so(ran):
    settings = {**ran.records.get("finetuned_model").settings, "finetune": {"epochs": 0}}
    said = text(ran, settings=settings)
    assert "The task asks for no fine-tuning" in said
    assert "train split" not in said


def test_names_do_not_break_its_tables(ran):
    made = ran.records.get("scorecard")
    odd = {**made.facts, "summary": {"a|b\nc": made.facts["summary"]["got-d"]}}
    assert "| a\\|b c |" in text(ran, scorecard=replace(made, facts=odd))


@pytest.mark.parametrize(
    ("model", "architecture", "objective", "base", "pipeline"),
    [
        ("minilm", "BertForMaskedLM", "masked", "sentence-transformers/all-MiniLM-L6-v2", "fill-mask"),
        ("owner/name", "BertForSequenceClassification", "masked", "owner/name", "text-classification"),
        ("/models/mine", "LlamaForCausalLM", "causal", None, "text-generation"),
    ],
)
def test_the_base_and_the_task_are_named_as_the_hub_does(ran, tmp_path, model, architecture, objective, base, pipeline):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    made = ran.records.get("warmed_model")
    settings = {**made.settings, "base_model": {"model": model, "objective": objective}}
    said = text(ran, "warmed_model", settings=settings, folders={"model": str(tmp_path)})
    data = ModelCard(said).data
    assert (data.base_model, data.pipeline_tag) == (base, pipeline)
    assert "/models" not in said
    assert f"AutoModelFor{architecture.partition('For')[2]}" in said
