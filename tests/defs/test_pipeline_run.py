"""The tiny task down the whole line: what it leaves, what is reused, and the way from each thing to the others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from deltalake import DeltaTable
from mlflow import MlflowClient
from transformers import AutoModelForCausalLM, AutoTokenizer

from getmore_assets.corpus.identity import content_id
from getmore_assets.lake import Lake
from getmore_assets.records import STAGE_NAMES, Records
from getmore_assets.tracking_place import Tracking
from tests.conftest import getmore, task_fields, write_task


def by_name(printed):
    return {s["name"]: s for s in printed["stages"]}


def test_every_stage_was_made_and_metered(ran):
    stages = by_name(ran.printed)
    assert tuple(stages) == STAGE_NAMES
    assert all(s["status"] == "materialized" and s["seconds"] > 0 and s["peak_rss_mb"] > 50 for s in stages.values())


def test_the_selection_keeps_its_budget_and_its_rows_are_their_ids(ran):
    picked = pl.read_parquet(ran.printed["selected"])
    assert picked.height == 100
    assert picked["rank"].to_list() == list(range(1, 101))
    assert picked["score"].is_sorted()
    assert [content_id(t) for t in picked["text"]] == picked["id"].to_list()
    assert picked["nearest_target_ids"].list.len().unique().to_list() == [3]
    test = set(pl.read_delta(ran.lake.table("target_data")).filter(pl.col("split") == "test")["id"])
    assert not test & set(picked["id"])


def test_every_table_opens_with_plain_polars(ran):
    for name in (
        "raw_corpus",
        "target_data",
        "domain_triage",
        "embeddings",
        "ot_potentials",
        "selected_subset",
        "row_ledger",
        "scorecard",
    ):
        assert pl.read_delta(ran.lake.table(name)).height > 0, name


def test_the_ledger_knows_every_candidate(ran):
    ledger = pl.read_delta(ran.lake.table("row_ledger"))
    pool = pl.read_delta(ran.lake.table("raw_corpus"))
    assert sorted(ledger["id"]) == sorted(pool["id"])
    assert (ledger["decision"] == "selected").sum() == 100
    assert ledger.filter(pl.col("decision") == "excluded")["reason"].is_not_null().all()


def test_the_scorecard_has_every_selector_and_seed_at_equal_tokens(ran):
    rows = ran.printed["scorecard"]
    assert {(r["selector"], r["seed"]) for r in rows} == {(s, n) for s in ("got-d", "none", "random") for n in (0, 1)}
    tokens = {r["selector"]: {x["warmup_tokens"] for x in rows if x["selector"] == r["selector"]} for r in rows}
    assert tokens["none"] == {0}
    assert tokens["got-d"] == tokens["random"]
    assert len(tokens["got-d"]) == 1
    assert all(r["perplexity"] > 1 and r["general_perplexity"] > 1 for r in rows)
    hashes = {r["seed"]: r["selection_hash"] for r in rows if r["selector"] == "random"}
    assert hashes[0] != hashes[1]
    assert Path(ran.printed["report"]).is_file()
    assert len(ran.printed["verdict"]) == 2


def test_mlflow_has_a_run_for_each_selector_with_its_means_and_one_for_each_seed_under_it(ran):
    client, run = MlflowClient(Tracking().uri_for(ran.lake)), ran.records.get("scorecard").mlflow_run_id
    experiment = client.get_run(run).info.experiment_id

    def under(parent):
        return client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")

    selectors = under(run)
    assert {one.info.run_name for one in selectors} == {"got-d", "none", "random"}
    for one in selectors:
        seeds = [seed.data.metrics["perplexity"] for seed in under(one.info.run_id)]
        assert len(seeds) == 2
        assert one.data.metrics["perplexity"] == pytest.approx(sum(seeds) / 2)
    assert not [name for name in client.get_run(run).data.metrics if "/" in name]


def test_models_load_with_plain_transformers(ran):
    for folder in ran.printed["models"].values():
        model = AutoModelForCausalLM.from_pretrained(folder)
        tokens = AutoTokenizer.from_pretrained(folder)("The event loop runs", return_tensors="pt")
        assert model(**tokens).logits.shape[-1] == model.config.vocab_size


def test_from_a_registered_model_to_tables_selection_and_dagster_and_back(ran):
    client = MlflowClient(Tracking().uri_for(ran.lake))
    (version,) = client.search_model_versions("name = 'tiny.finetuned_model'")
    assert version.source == ran.printed["models"]["finetuned_model"]
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"

    # MLflow → Delta: the selection, at its version, has the hash that the run names.
    path, _, number = run.data.tags["table.selected_subset"].rpartition("@v")
    chosen = pl.read_delta(path, version=int(number))
    assert chosen.height == 100
    assert run.data.tags["selection_hash"] == ran.records.get("selected_subset").data_version
    assert {d.dataset.name for d in run.inputs.dataset_inputs} >= {"raw_corpus", "target_data", "selected_subset"}

    # Delta → Dagster: the commit names the run; its materialisation names the table's version.
    commit = DeltaTable(path).history()[0]
    with dg.DagsterInstance.local_temp(str(ran.lake.root / "dagster")) as instance:
        assert instance.get_run_by_id(commit["dagster_run_id"]).is_success
        assert commit["dagster_run_id"] == run.data.tags["dagster.run_id"]
        metadata = {
            name: instance.get_latest_materialization_event(dg.AssetKey(name)).asset_materialization.metadata
            for name in ("selected_subset", "finetuned_model")
        }
    assert metadata["selected_subset"]["delta_version"].value == int(number)

    # Dagster → MLflow, and the warmed model's run is named too.
    assert metadata["finetuned_model"]["mlflow_run_id"].value == version.run_id
    assert metadata["finetuned_model"]["mlflow_run"].url.endswith(version.run_id)
    assert client.get_run(run.data.tags["run.warmed_model"]).data.tags["getmore.station"] == "warmed_model"
    assert client.get_metric_history(version.run_id, "loss")


def test_figures_are_in_the_metadata(ran):
    with dg.DagsterInstance.local_temp(str(ran.lake.root / "dagster")) as instance:
        for name, figure in (
            ("selected_subset", "composition"),
            ("domain_triage", "distances"),
            ("ot_potentials", "convergence"),
            ("scorecard", "scorecard"),
        ):
            event = instance.get_latest_materialization_event(dg.AssetKey(name))
            shown = event.asset_materialization.metadata[figure].value
            assert shown.startswith("![")
            assert len(shown) < 80_000


def test_a_second_run_makes_nothing(ran, ran_copy):
    done = getmore("run", str(ran_copy.file), "--json")
    again = json.loads(done.stdout.splitlines()[-1])
    assert {s["status"] for s in again["stages"]} == {"cached"}
    assert again["scorecard"] == ran.printed["scorecard"]
    looked_at = {path.stem: path.stat().st_mtime_ns for path in (ran_copy.lake.root / "checks/tiny").glob("*.json")}
    assert "ids_are_unique" in looked_at  # evaluated by the first run, whose lake this is a copy of
    getmore("run", str(ran_copy.file))
    assert looked_at == {p.stem: p.stat().st_mtime_ns for p in (ran_copy.lake.root / "checks/tiny").glob("*.json")}


def test_a_second_target_encodes_no_candidate_again(ran_copy, sources):
    ran = ran_copy
    rows = (sources / "train.jsonl").read_text().splitlines()[:60]
    train = ran.file.parent / "second.jsonl"
    train.write_text("\n".join(rows) + "\n")
    fields = {**ran.fields, "name": "second", "target": {**ran.fields["target"], "train": str(train)}}
    done = getmore("select", str(write_task(ran.file.parent / "second.yaml", fields)), "--json")
    assert done.returncode == 0, done.stderr
    facts = type(ran.records)(ran.lake, "second").get("embeddings").facts
    assert facts["encoded"] == 0
    assert facts["reused"] > 1000


def test_appended_rows_are_the_only_ones_encoded_and_the_old_version_stays(sources, tmp_path):
    pool = pl.read_parquet(sources / "pool.parquet")
    path = tmp_path / "pool.parquet"
    pool.head(700).write_parquet(path)
    few = {"model": "lexical", "dimensions": 4}  # so many rows a dimension that the fit stays while a few rows come
    candidates = [{"path": str(path), "domain": "domain"}]
    fields = task_fields(sources, tmp_path / "lake", candidates=candidates, encoder=few)
    file = write_task(tmp_path / "task.yaml", fields)
    first = json.loads(getmore("select", str(file), "--json").stdout.splitlines()[-1])
    before = pl.read_parquet(first["selected"])["id"].to_list()
    pool.head(712).write_parquet(path)  # beyond 2 %, the lexical encoder would be fitted and all rows encoded again
    done = getmore("select", str(file), "--json")
    second = json.loads(done.stdout.splitlines()[-1])
    assert by_name(second)["target_data"]["status"] == "cached"
    assert by_name(second)["selected_subset"]["status"] == "materialized"
    records = Records(Lake(tmp_path / "lake"), "tiny")
    assert 0 < records.get("embeddings").facts["encoded"] <= 24  # the rows that came; some are two passages
    table = DeltaTable(str(tmp_path / "lake/tables/selected_subset"))
    old = pl.read_delta(table.table_uri, version=table.version() - 1).sort("rank")["id"].to_list()
    assert old == before


def test_a_stage_whose_input_is_missing_says_so(sources, tmp_path, monkeypatch):
    from getmore_assets.definitions import defs

    write_task(tmp_path / "tiny.yaml", task_fields(sources, tmp_path / "lake"))
    monkeypatch.setenv("GETMORE_TASKS", str(tmp_path))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("target", ["tiny", "absent"])
        for partition, said in (("tiny", "Materialize raw_corpus first"), ("absent", "no task file in")):
            result = (
                defs.resolve_implicit_global_asset_job_def()
                .get_subset(asset_selection={dg.AssetKey("ot_potentials")})
                .execute_in_process(instance=instance, partition_key=partition, raise_on_error=False)
            )
            (failure,) = result.filter_events(lambda e: e.is_step_failure)
            assert said in failure.step_failure_data.error.cause.message


def test_dagster_finds_the_definitions(tmp_path):
    command = [
        str(Path(sys.executable).with_name("dagster")),
        "definitions",
        "validate",
        "-m",
        "getmore_assets.definitions",
    ]
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
