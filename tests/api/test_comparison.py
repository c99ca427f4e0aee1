"""Comparing selectors from Python."""

import polars as pl
import pytest

from getmore_assets import compare


@pytest.fixture(scope="module")
def comparison(ran, sources, tmp_path_factory):
    fields = {name: ran.fields[name] for name in ("encoder", "base_model", "corpus", "warmup", "finetune")}
    return compare(
        pl.read_parquet(sources / "pool.parquet"),
        sources / "train.jsonl",
        validation=sources / "validation.jsonl",
        test=sources / "test.jsonl",
        domain="domain",
        selectors=["none"],
        seeds=2,
        budget=60,
        lake=tmp_path_factory.mktemp("compared") / "lake",
        **fields,
    )


def test_every_selector_and_seed_is_scored_and_the_report_is_written(comparison):
    scored = comparison.scorecard.select("selector", "seed").rows()
    assert sorted(scored) == [("got-d-rounds", 0), ("got-d-rounds", 1), ("none", 0), ("none", 1)]
    assert comparison.report().read_text().startswith("<!")
    assert comparison.selection.selected.height == 60
    assert set(comparison.models) == {"warmed_model", "finetuned_model"}
    assert all((folder / "config.json").is_file() for folder in comparison.models.values())


def test_the_verdict_is_told_in_sentences_and_in_a_notebook(comparison):
    assert comparison.verdict
    shown = comparison._repr_html_()
    assert "<table>" in shown
    assert repr(comparison).startswith("<Comparison for python: ")
