"""Selecting from Python: rows of every kind in, frames out, and one implementation with the command."""

import json

import datasets
import polars as pl
import pytest

from getmore_assets import Selection, explain, select
from getmore_assets.errors import BadInput
from getmore_assets.stages import running
from getmore_assets.stages.checks import CheckResult
from getmore_assets.stages.running import CheckFailedError, needed
from getmore_assets.task_parsing import load_task
from tests.conftest import getmore, task_fields, write_task

SETTINGS = {"selector": "got-d", "encoder": {"model": "lexical", "dimensions": 32}, "corpus": {"held_out": 0.05}}


@pytest.fixture(scope="module")
def rows(sources):
    return pl.read_parquet(sources / "pool.parquet"), pl.read_ndjson(sources / "train.jsonl")


@pytest.fixture(scope="module")
def splits(sources):
    return {split: sources / f"{split}.jsonl" for split in ("validation", "test")}


@pytest.fixture(scope="module")
def selection(rows, splits, tmp_path_factory):
    lake = tmp_path_factory.mktemp("api") / "lake"
    return select(*rows, budget=100, domain="domain", source="source", lake=lake, **splits, **SETTINGS)


def test_the_selection_is_the_one_that_the_command_makes(selection, rows, sources, splits, ran):
    assert selection.statuses["selected_subset"] == "materialized"
    assert selection.selected.columns == ["id", "text", "score", "rank", "domain", "source"]
    assert selection.selected["rank"].to_list() == list(range(1, 101))
    assert selection.selected["id"].to_list() == pl.read_parquet(ran.printed["selected"])["id"].to_list()
    assert selection.scores.filter("selected").height == 100
    assert selection.scores.height == selection.record.facts["candidates"]


def test_rows_of_other_kinds_give_the_same_selection_and_the_same_rows_are_reused(selection, rows, splits):
    pool, train = rows
    kinds = {
        "pandas": (pool.to_pandas(), train.to_pandas()),
        "datasets": (datasets.Dataset.from_polars(pool), datasets.Dataset.from_polars(train)),
        "lazy, and texts": (pool.lazy(), train["text"].to_list()),
    }
    for given in kinds.values():
        again = select(
            *given, budget=100, domain="domain", source="source", lake=selection.task.lake, **splits, **SETTINGS
        )
        assert again.selected.equals(selection.selected)
        assert again.statuses["embeddings"] in ("cached", "materialized")
    same = select(*rows, budget=100, domain="domain", source="source", lake=selection.task.lake, **splits, **SETTINGS)
    assert set(same.statuses.values()) == {"cached"}


def test_the_command_reuses_what_was_made_from_python(selection, tmp_path):
    file = write_task(tmp_path / "python.yaml", selection.task.model_dump(mode="json", exclude_unset=True))
    done = getmore("select", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert {stage["status"] for stage in json.loads(done.stdout.splitlines()[-1])["stages"]} == {"cached"}


def test_the_result_goes_to_other_libraries(selection):
    assert selection.to_pandas()["id"].tolist() == selection.selected["id"].to_list()
    assert selection.to_hf()["text"][:] == selection.selected["text"].to_list()


def test_a_row_is_explained(selection, tmp_path):
    first = selection.selected.row(0, named=True)
    assert explain(selection, first["id"]).decision == "selected"
    assert selection.explain(first["id"]).rank == 1
    file = write_task(tmp_path / "t.yaml", selection.task.model_dump(mode="json", exclude_unset=True))
    assert explain(file, first["id"]) == explain(load_task(file), first["id"])
    with pytest.raises(BadInput):
        selection.explain("no row is called so")


def test_it_says_what_it_is_in_words_and_in_a_notebook(selection):
    said = selection.report()
    assert said.startswith("python: 100 of ")
    assert "argparse" in said
    shown = selection._repr_html_()
    assert shown.count("<tr>") == 2 + selection.domains.height + 5
    assert repr(selection) == "<Selection of 100 rows for python>"


def test_a_notebook_renders_no_text_of_the_corpus(selection):
    rows = selection.selected.with_columns(text=pl.lit("<img src=x onerror=alert(1)>"))
    shown = Selection(selection.task, selection.record, {})
    shown.__dict__["selected"] = rows
    assert "<img" not in shown._repr_html_()


def test_settings_are_those_of_the_task_file(rows, tmp_path):
    with pytest.raises(BadInput, match=r"the arguments: warmpu: unknown key \(did you mean `warmup`\?\)"):
        select(*rows, lake=tmp_path, warmpu={})
    with pytest.raises(BadInput, match="candidates: is a int"):
        select(7, rows[1], lake=tmp_path)
    with pytest.raises(BadInput, match="train: has no rows"):
        select(rows[0], rows[1].clear(), lake=tmp_path)


@pytest.mark.parametrize(
    ("budget", "field"), [(5, {"rows": 5}), (0.5, {"fraction": 0.5}), ({"tokens": 9}, {"tokens": 9})]
)
def test_a_budget_is_rows_a_fraction_or_as_it_is_said(budget, field, rows, tmp_path):
    from getmore_assets.api.tasks import build_task

    task = build_task(
        *rows, name="t", lake=tmp_path, text="text", columns={}, label=None, splits={}, budget=budget,
        selector="knn", settings={},
    )  # fmt: skip
    assert task.selection.budget.model_dump(exclude_none=True) == field
    assert task.selection.selector == "knn"


def test_only_what_a_selection_needs_is_made(sources, tmp_path):
    task = load_task(write_task(tmp_path / "t.yaml", task_fields(sources, tmp_path / "lake")))
    assert "base_model" not in [stage.name for stage in needed(task, "selected_subset")]
    asks = load_task(tmp_path / "t.yaml", ["selection.selector=perplexity"])
    assert [stage.name for stage in needed(asks, "selected_subset")][-2:] == ["base_model", "selected_subset"]
    assert [stage.name for stage in needed(task, "leakage")] == ["raw_corpus", "target_data", "leakage"]


def test_a_blocking_check_that_fails_stops_what_follows(selection, monkeypatch):
    def fail(check, _of):
        return CheckResult(check.name != "ids_are_unique", {"repeated": 1})

    monkeypatch.setattr(running.check_cache, "result", fail)
    with pytest.raises(CheckFailedError, match="raw_corpus: ids_are_unique failed"):
        running.run(selection.task, "selected_subset")
