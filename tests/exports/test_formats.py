"""Every format, written from the lake of the tiny task and read back by who it is for."""

import json
import sys

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal
from safetensors.numpy import load_file

from getmore_assets.errors import BadInput
from getmore_assets.exports import FORMATS
from getmore_assets.exports.formats import export
from getmore_assets.task_parsing import load_task
from tests.conftest import task_fields, write_task
from tests.defs.damage import Copy

COLUMNS = ["id", "text", "score", "rank", "domain", "source"]


@pytest.fixture(scope="module")
def out(ran, tmp_path_factory):
    """A folder with everything: all formats, and all candidates in those that hold them."""
    folder = tmp_path_factory.mktemp("out") / "made" / "here"
    task = load_task(ran.file)
    written = export(task, FORMATS, folder)
    assert all(path.exists() for path in written.values())
    export(task, ["parquet", "jsonl", "huggingface"], folder, every=True)
    return folder


@pytest.fixture
def picks(ran):
    rows = ran.records.get("selected_subset").table_ref().scan().sort("rank").collect()
    assert rows["rank"].to_list() == list(range(1, 101))
    return rows.select(COLUMNS)


def test_the_selected_rows_are_the_same_in_every_format(out, picks):
    datasets = pytest.importorskip("datasets")
    assert_frame_equal(pl.read_parquet(out / "selected.parquet"), picks)
    assert_frame_equal(pl.read_ndjson(out / "selected.jsonl"), picks)
    assert_frame_equal(pl.read_csv(out / "selected.csv", schema_overrides=picks.schema), picks)
    saved = datasets.load_from_disk(str(out / "selected"))
    assert saved.column_names == COLUMNS
    assert_frame_equal(saved.to_polars(), picks)


def test_all_candidates_stand_with_score_and_rank(out, ran, picks):
    datasets = pytest.importorskip("datasets")
    rows = pl.read_parquet(out / "candidates.parquet")
    made = ran.records.get("selected_subset")
    assert rows.height == made.facts["candidates"]
    assert rows["rank"].to_list() == list(range(1, rows.height + 1))
    assert rows["score"].is_sorted()
    assert_frame_equal(
        rows.filter("selected").select("id", "score", "rank", "domain", "source"),
        picks.drop("text"),
    )
    pool = pl.read_parquet(ran.fields["candidates"][0]["path"])
    file, _, number = rows["origin"][0].rpartition(":")
    assert file == ran.fields["candidates"][0]["path"]
    assert pool["text"][int(number) - 1] == picks["text"][0]
    assert_frame_equal(pl.read_ndjson(out / "candidates.jsonl"), rows)
    assert_frame_equal(datasets.load_from_disk(str(out / "candidates")).to_polars(), rows)


def test_llama_factory_finds_the_rows_under_the_tasks_name(out, picks):
    described = json.loads((out / "dataset_info.json").read_text("utf-8"))
    assert described == {"tiny": {"file_name": "selected.jsonl", "columns": {"prompt": "text"}}}
    assert pl.read_ndjson(out / "selected.jsonl")["text"].to_list() == picks["text"].to_list()


def test_axolotls_block_names_the_rows(out, picks, tmp_path):
    datasets = pytest.importorskip("datasets")
    (block,) = yaml.safe_load((out / "axolotl.yaml").read_text("utf-8"))["datasets"]
    assert (block["type"], block["field"]) == ("completion", "text")
    read = datasets.load_dataset(
        block["ds_type"], data_files=block["path"], split=block["split"], cache_dir=str(tmp_path)
    )
    assert read[block["field"]][:] == picks["text"].to_list()


def test_trls_mixture_names_the_rows(out, picks, tmp_path):
    datasets = pytest.importorskip("datasets")
    (one,) = yaml.safe_load((out / "trl.yaml").read_text("utf-8"))["datasets"]
    read = datasets.load_dataset(
        one["path"], data_files=one["data_files"], split=one["split"], cache_dir=str(tmp_path)
    ).select_columns(one["columns"])
    assert read.column_names == ["text"]
    assert read["text"][:] == picks["text"].to_list()


def test_trl_itself_reads_the_mixture(out, picks, tmp_path, monkeypatch):
    import trl

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path))
    (mixture,) = trl.TrlParser((trl.DatasetMixtureConfig,)).parse_args_and_config(["--config", str(out / "trl.yaml")])
    assert trl.get_dataset(mixture)["train"]["text"][:] == picks["text"].to_list()


def test_blocks_name_the_folder_as_it_was_given(ran, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    export(load_task(ran.file), ["trl", "axolotl"], (tmp_path / "sub").relative_to(tmp_path))
    for name, field in (("trl", "data_files"), ("axolotl", "path")):
        text = (tmp_path / "sub" / f"{name}.yaml").read_text("utf-8")
        assert text.startswith("# The path is relative")
        assert yaml.safe_load(text)["datasets"][0][field] == "sub/selected.jsonl"


@pytest.mark.parametrize("stage", ["warmed_model", "finetuned_model"])
def test_plain_transformers_load_the_models(out, ran, stage):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = out / stage
    model, said = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not said["missing_keys"]
    assert not said["unexpected_keys"]
    tokens = AutoTokenizer.from_pretrained(folder)("A coroutine is", return_tensors="pt")
    written = model.generate(**tokens, max_new_tokens=4, min_new_tokens=4, do_sample=False)
    assert written.shape[1] == tokens["input_ids"].shape[1] + 4
    ours = load_file(f"{ran.records.get(stage).folders['model']}/model.safetensors")
    copied = load_file(folder / "model.safetensors")
    assert copied.keys() == ours.keys()
    assert all((copied[name] == ours[name]).all() for name in ours)


def refused(task, formats, folder, **options):
    with pytest.raises(BadInput) as refusal:
        export(task, formats, folder, **options)
    return str(refusal.value)


@pytest.mark.parametrize(("one", "verb"), [("jsonl", "select"), ("trl", "select"), ("finetuned_model", "run")])
def test_where_nothing_was_made_it_says_what_to_run(sources, tmp_path, one, verb):
    task = load_task(write_task(tmp_path / "tiny.yaml", task_fields(sources, tmp_path / "lake")))
    said = refused(task, [one], tmp_path / "out")
    assert "has not been made" in said
    assert f"Run `{verb}` first" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "one", "part"),
    [
        ("selection.budget.rows=50", "parquet", "selection"),
        ("warmup.epochs=2", "warmed_model", "warmup"),
        ("finetune.epochs=2", "finetuned_model", "finetune"),
    ],
)
def test_what_was_made_with_other_settings_is_not_passed_off(ran, tmp_path, change, one, part):
    said = refused(load_task(ran.file, [change]), [one], tmp_path / "out")
    assert f"was materialized with another `{part}`" in said
    assert export(load_task(ran.file, ["seeds=7"]), ["parquet"], tmp_path / "out")


def test_what_does_not_go_together_is_refused(ran, tmp_path):
    task = load_task(ran.file)
    assert "there is no such format" in refused(task, ["pickle"], tmp_path / "out")
    assert "cannot hold all candidates" in refused(task, ["jsonl", "axolotl"], tmp_path / "out", every=True)
    assert "has `*` in its path" in refused(task, ["trl"], tmp_path / "o*t")
    assert not list(tmp_path.iterdir())


def test_without_the_package_a_data_set_is_refused(ran, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    said = refused(load_task(ran.file), ["jsonl", "huggingface"], tmp_path / "out")
    assert "format huggingface: needs the `datasets` package" in said
    assert not (tmp_path / "out").exists()


def test_a_subset_that_lost_its_table_is_not_exported(ran, tmp_path):
    copy = Copy(ran, tmp_path)
    for part in (copy.lake.root / "tables" / "selected_subset").rglob("*.parquet"):
        part.unlink()
    assert "has lost what its record names" in refused(load_task(copy.task), ["parquet"], tmp_path / "out")
