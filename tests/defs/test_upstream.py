"""Sources that are assets of a project, and what the pipeline made as a parameter of the project's own assets."""

import gc

import dagster as dg
import pandas as pd
import polars as pl
import pytest
from dagster._core.storage.defs_state.base import DefsStateStorage
from deltalake import DeltaTable

from getmore_assets import build_definitions
from getmore_assets.corpus.tabular import as_frame
from getmore_assets.defs.upstream import assets_of, resolve_sources
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.task_parsing import load_task
from tests.conftest import getmore, task_fields, write_task


@pytest.fixture
def project(sources, tmp_path):
    """A project whose assets are the sources of the task `tiny`: a Delta table with its version, and a frame."""
    targets = dg.DynamicPartitionsDefinition(name="warm_target")

    @dg.asset
    def my_docs():
        path = tmp_path / "my_docs"
        pl.read_parquet(sources / "pool.parquet").rename({"text": "body"}).write_delta(path, mode="overwrite")
        metadata = {"dagster/uri": str(path), "delta_version": DeltaTable(path).version()}
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset(key_prefix="raw")
    def wanted() -> pd.DataFrame:
        return pl.read_ndjson(sources / "train.jsonl").to_pandas()

    @dg.asset(ins={"selected_subset": dg.AssetIn(["warm", "selected_subset"])}, partitions_def=targets)
    def words(selected_subset: pl.LazyFrame) -> int:
        return int(selected_subset.select(pl.col("n_tokens").sum()).collect().item())

    @dg.asset(ins={"chosen": dg.AssetIn(["warm", "selected_subset"]), "pool": dg.AssetIn(["warm", "raw_corpus"])})
    def report(chosen: pl.DataFrame, pool: pd.DataFrame) -> dict:
        return {"rows": chosen.height, "of": len(pool)}

    fields = task_fields(sources, tmp_path / "lake")
    fields["candidates"] = [{"asset": "my_docs", "text": "body", "source": "source", "domain": "domain"}]
    fields["target"]["train"] = {"asset": "raw/wanted"}
    (tmp_path / "tasks").mkdir()
    write_task(tmp_path / "tasks/tiny.yaml", fields)
    ours = build_definitions(key_prefix="warm", tasks=tmp_path / "tasks")
    return dg.Definitions.merge(dg.Definitions(assets=[my_docs, wanted, words, report]), ours)


@pytest.fixture
def instance():
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("warm_target", ["tiny"])
        yield instance


def materialize(defs, instance, *keys):
    chosen = {dg.AssetKey.from_user_string(key) for key in keys}
    job = defs.resolve_implicit_job_def_def_for_assets(chosen).get_subset(asset_selection=chosen)
    partition = "tiny" if any(key.startswith(("warm/", "words")) for key in keys) else None
    return job.execute_in_process(instance=instance, partition_key=partition, raise_on_error=False)


def column_lineage(instance, stage):
    """What each column comes from, as the last materialization says."""
    event = instance.get_latest_materialization_event(dg.AssetKey(["warm", stage]))
    lineage = event.asset_materialization.metadata["dagster/column_lineage"].column_lineage.deps_by_column
    return {
        column: {f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in deps}
        for column, deps in lineage.items()
    }


def said(result):
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    return failure.step_failure_data.error.cause.message


def test_what_tasks_name_is_a_dependency(project):
    graph = project.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["warm", "raw_corpus"])).parent_keys == {dg.AssetKey("my_docs")}
    assert graph.get(dg.AssetKey(["warm", "target_data"])).parent_keys == {dg.AssetKey(["raw", "wanted"])}


def test_an_asset_that_names_no_place_and_cannot_be_loaded_is_refused_with_what_to_return(project, instance):
    instance.report_runless_asset_event(dg.AssetMaterialization("my_docs"))
    refused = said(materialize(project, instance, "warm/raw_corpus"))
    assert "asset my_docs: has no metadata that names a path, and its IO manager cannot load it" in refused
    assert '`dg.MaterializeResult(metadata={"dagster/uri": PATH})`' in refused


def test_loading_an_asset_leaves_no_storage_of_a_closed_instance(project, instance):
    materialize(project, instance, "raw/wanted")
    before = DefsStateStorage.get()
    assert materialize(project, instance, "warm/target_data").success
    gc.collect()
    assert DefsStateStorage.get() in (before, None)
    assert dg.Definitions(assets=[dg.AssetSpec("another")]).resolve_asset_graph().get_all_asset_keys()


def test_a_task_that_is_no_partition_yet_becomes_one(project, instance):
    instance.delete_dynamic_partition("warm_target", "tiny")
    job = project.resolve_job_def("warm_select")
    # As `dagster job execute` does: the partition is a tag, which nothing compares with those that there are.
    ran = job.execute_in_process(instance=instance, tags={"dagster/partition": "tiny"}, raise_on_error=False)
    assert "has not been materialized" in "".join(
        event.step_failure_data.error.cause.message for event in ran.filter_events(lambda event: event.is_step_failure)
    )
    assert instance.has_dynamic_partition("warm_target", "tiny")


def test_an_asset_is_read_at_the_version_of_its_latest_materialization(project, instance, tmp_path):
    refused = materialize(project, instance, "warm/raw_corpus")
    assert "asset my_docs: has not been materialized" in said(refused)
    both = ("my_docs", "raw/wanted")
    assert materialize(project, instance, *both, "warm/raw_corpus", "warm/target_data").success
    records = Records(Lake(tmp_path / "lake"), "tiny")
    (read,) = records.get("raw_corpus").settings["candidates"]
    assert (read["asset"], read["version"]) == ("my_docs", 0)
    pl.DataFrame({"body": ["one that nobody materialized"], "source": ["s"], "domain": ["d"]}).write_delta(
        tmp_path / "my_docs", mode="append"
    )
    before = records.get("raw_corpus").data_version
    again = materialize(project, instance, "warm/raw_corpus")
    assert again.success, said(again)
    (event,) = again.get_asset_materialization_events()
    assert event.materialization.metadata["status"].value == "cached"
    assert materialize(project, instance, "my_docs", "warm/raw_corpus").success
    assert records.get("raw_corpus").settings["candidates"][0]["version"] == 2
    assert records.get("raw_corpus").data_version == before  # the same rows, in a later version


def test_what_was_made_is_a_parameter_at_its_version(project, instance, tmp_path):
    assert materialize(project, instance, "my_docs", "raw/wanted").success
    assert project.resolve_job_def("warm_select").execute_in_process(instance=instance, partition_key="tiny").success
    lake = Lake(tmp_path / "lake")
    record = Records(lake, "tiny").get("selected_subset")
    later = record.table.scan().head(1).collect().with_columns(n_tokens=pl.lit(10**6, pl.Int32))
    later.write_delta(record.table.path, mode="append")
    found = materialize(project, instance, "words", "report")
    assert found.success
    assert found.asset_value("report")["rows"] == 100
    assert found.asset_value("report")["of"] == Records(lake, "tiny").get("raw_corpus").rows
    assert 0 < found.asset_value("words") < 10**6
    (event,) = [
        one.asset_materialization
        for one in [instance.get_latest_materialization_event(dg.AssetKey(["warm", "selected_subset"]))]
    ]
    assert event.metadata["dagster/uri"].value == f"file://{record.table.path}"
    assert event.metadata["dagster/table_name"].value == "selected_subset"
    assert column_lineage(instance, "selected_subset")["text"] == {"warm/raw_corpus.text"}
    of_text = ("id", "text", "n_tokens", "duplicate_of", "held_out", "shingles")
    own_columns = {"source": {"my_docs.source"}, "domain": {"my_docs.domain"}, "pool": set(), "origin": set()}
    assert column_lineage(instance, "raw_corpus") == own_columns | {name: {"my_docs.body"} for name in of_text}
    target = column_lineage(instance, "target_data")
    assert (target["text"], target["label"]) == ({"raw/wanted.text"}, set())  # a language model has no label


def test_outside_its_project_an_asset_is_refused_by_name(tmp_path, sources):
    fields = task_fields(sources, tmp_path / "lake", candidates=[{"asset": "my_docs"}])
    done = getmore("select", str(write_task(tmp_path / "tiny.yaml", fields)))
    assert done.returncode == 2
    assert "asset my_docs: has not been materialized" in done.stderr


def test_every_source_of_a_task_is_looked_up(tmp_path, sources):
    fields = task_fields(
        sources, tmp_path / "lake", candidates=[{"asset": "a"}, {"asset": "b"}], general={"asset": "c"}
    )
    fields["target"]["test"] = {"asset": "d"}
    task = load_task(write_task(tmp_path / "tiny.yaml", fields))
    assert assets_of([task]) == {"candidates": ["a", "b"], "target": ["d", "c"]}
    with dg.DagsterInstance.ephemeral() as instance:
        for name in "abcd":
            instance.report_runless_asset_event(
                dg.AssetMaterialization(name, metadata={"path": dg.MetadataValue.path(f"/data/{name}.parquet")})
            )
        found = resolve_sources(task, instance)
    assert [source.path for source in found.candidates] == ["/data/a.parquet", "/data/b.parquet"]
    assert (found.target.test.path, found.general.path) == ("/data/d.parquet", "/data/c.parquet")
    assert found.target.train == task.target.train


@pytest.mark.parametrize("rows", [pl.DataFrame({"text": ["a"]}), pl.LazyFrame({"text": ["a"]}), ["a"], [{"text": "a"}]])
def test_frames_of_every_kind_are_taken(rows):
    assert as_frame(rows, "pool")["text"].to_list() == ["a"]
    assert as_frame(as_frame(rows, "pool").to_pandas(), "pool")["text"].to_list() == ["a"]
    assert as_frame(as_frame(rows, "pool").to_arrow(), "pool")["text"].to_list() == ["a"]


@pytest.mark.parametrize("rows", [7, "text", pl.DataFrame({"text": []})])
def test_what_is_no_frame_is_refused(rows):
    with pytest.raises(BadInput, match="pool: "):
        as_frame(rows, "pool")
