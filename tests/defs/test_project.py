"""The pipeline in a project that has assets, names, partitions and an executor of its own."""

import dagster as dg
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from mlflow import MlflowClient

import getmore_assets
from getmore_assets import build_definitions, damage
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import STAGE_NAMES, Records
from getmore_assets.task_parsing import load_task
from tests.conftest import task_fields, write_task

SELECTED = STAGE_NAMES[: STAGE_NAMES.index("selected_subset") + 1]


@dg.asset
def embeddings(getmore: dg.ResourceParam[str]) -> int:
    """Theirs, of the name of one of ours, with a resource of the name of ours."""
    return len(getmore)


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))
def daily() -> int:
    return 1


@dg.asset
def my_docs() -> None:
    """What the pool is read from."""


def theirs() -> dg.Definitions:
    return dg.Definitions(
        assets=[embeddings, daily, my_docs],
        jobs=[dg.define_asset_job("run", [embeddings])],
        resources={"getmore": "a string"},
        executor=dg.multiprocess_executor,
        sensors=[dg.SensorDefinition(name="task_files", job_name="run", evaluation_fn=lambda _: None)],
    )


@pytest.fixture
def tasks(sources, tmp_path):
    folder = tmp_path / "tasks"
    folder.mkdir()
    write_task(folder / "tiny.yaml", task_fields(sources, tmp_path / "not-used"))
    return folder


def keys(selection, defs):
    return {key.to_user_string() for key in selection.resolve(defs.resolve_asset_graph())}


def test_a_project_keeps_all_that_is_its_own(tasks, tmp_path):
    ours = build_definitions(key_prefix="warm", upstream={"candidates": [my_docs], "target": ["daily"]}, tasks=tasks)
    defs = dg.Definitions.merge(theirs(), ours)
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    names = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert names == {"embeddings", "daily", "my_docs", *(f"warm/{stage}" for stage in STAGE_NAMES)}
    assert dg.AssetKey("my_docs") in graph.get(dg.AssetKey(["warm", "raw_corpus"])).parent_keys
    assert dg.AssetKey("daily") in graph.get(dg.AssetKey(["warm", "target_data"])).parent_keys
    repository = defs.get_repository_def()
    assert {"run", "warm_run", "warm_select", "warm_check", "warm_plan"} <= set(repository.job_names)
    assert all(job.name == "run" or job.name.startswith(("warm_", "__")) for job in repository.get_all_jobs())
    for name in ("warm_run", "warm_select", "warm_failed_targets"):
        job = repository.get_job(name)
        assert {key.path[0] for key in job.asset_layer.selected_asset_keys} <= {"warm"}, name
    assert {sensor.name for sensor in repository.sensor_defs} >= {"task_files", "warm_task_files", "warm_pool_changes"}
    assert graph.get(dg.AssetKey(["warm", "raw_corpus"])).partitions_def.name == "warm_target"
    assert repository.get_job("warm_run").executor_def is dg.multiprocess_executor


def test_two_pipelines_stand_side_by_side(tasks):
    pair = [build_definitions(key_prefix=["a", name], tasks=tasks, group=name) for name in ("left", "right")]
    defs = dg.Definitions.merge(theirs(), *pair)
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    assert {node.group_name for node in graph.asset_nodes if node.key.path[0] == "a"} == {"left", "right"}
    assert {"a_left_run", "a_right_run"} <= set(defs.get_repository_def().job_names)


def test_the_pool_waits_for_the_asset_it_is_read_from_and_the_selection_is_made(tasks, tmp_path, sources):
    lake = tmp_path / "lake"
    ours = build_definitions(key_prefix="warm", upstream={"candidates": ["my_docs"]}, tasks=tasks, lake=lake)
    defs = dg.Definitions.merge(theirs(), ours)
    chosen = {dg.AssetKey("my_docs"), *(dg.AssetKey(["warm", name]) for name in ("raw_corpus", "target_data"))}
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("warm_target", ["tiny"])
        job = defs.resolve_implicit_job_def_def_for_assets(chosen)
        done = job.get_subset(asset_selection=chosen).execute_in_process(instance=instance, partition_key="tiny")
        assert done.success
        made = [event.asset_key.to_user_string() for event in done.get_asset_materialization_events()]
        assert made.index("my_docs") < made.index("warm/raw_corpus")
        checks = {one.check_name for one in done.get_asset_check_evaluations()}
        assert {"ids_are_unique", "train_is_apart_from_test"} <= checks
        selected = defs.resolve_job_def("warm_select").execute_in_process(instance=instance, partition_key="tiny")
        tags = instance.get_run_by_id(selected.run_id).tags
    statuses = {
        event.asset_key.path[-1]: event.materialization.metadata["status"].value
        for event in selected.get_asset_materialization_events()
    }
    assert statuses["raw_corpus"] == "cached"
    assert statuses["selected_subset"] == "materialized"
    assert tags["getmore/pipeline"] == "warm"
    assert Records(Lake(lake), "tiny").get("selected_subset").rows == 100
    assert not (tmp_path / "not-used").exists()


def test_one_task_needs_no_partitions(tasks, tmp_path):
    task = load_task(tasks / "tiny.yaml")
    for given in ([task], tasks):
        defs = build_definitions(tasks=given, lake=tmp_path / "lake", partitions=None)
        assert {sensor.name for sensor in defs.sensors} == {"target_changes", "pool_changes"}
        chosen = {dg.AssetKey("raw_corpus"), dg.AssetKey("target_data")}
        job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection=chosen)
        with dg.DagsterInstance.ephemeral() as instance:
            done = job.execute_in_process(instance=instance)
            assert done.success
            assert not [check for check in done.get_asset_check_evaluations() if not check.passed]
            assert instance.get_run_by_id(done.run_id).tags["getmore/target"] == "tiny"
            assert defs.resolve_job_def("check").execute_in_process(instance=instance).success
    assert Records(Lake(tmp_path / "lake"), "tiny").get("raw_corpus").rows > 1000


def test_partitions_may_be_the_projects_own(tasks, tmp_path):
    own = dg.StaticPartitionsDefinition(["tiny", "another"])
    defs = build_definitions(tasks=tasks, lake=tmp_path / "lake", partitions=own)
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey("target_data")})
    assert job.execute_in_process(partition_key="tiny").success
    failed = job.execute_in_process(partition_key="another", raise_on_error=False)
    assert not failed.success


@pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")
@pytest.mark.filterwarnings("ignore:Property `OpDefinition.version`")  # by Dagster's own observable sources
def test_dagsters_automation_asks_for_what_follows_a_change_upstream(tasks):
    @dg.observable_source_asset
    def files():
        return dg.DataVersion("1")

    upstream, eager = {"candidates": [my_docs], "target": ["files"]}, dg.AutomationCondition.eager()
    ours = build_definitions(key_prefix="warm", upstream=upstream, tasks=tasks, automation_condition=eager)
    defs = dg.Definitions.merge(dg.Definitions(assets=[my_docs, files]), ours)
    stages = {name: dg.AssetKey(["warm", name]) for name in STAGE_NAMES}
    cursor = None
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("warm_target", ["tiny"])

        def asked() -> set[str]:
            """The stages that are asked for now, and are then materialized."""
            nonlocal cursor
            found = dg.evaluate_automation_conditions(defs, instance, cursor=cursor)
            cursor = found.cursor
            now = {name for name, key in stages.items() if found.get_requested_partitions(key)}
            for name in now:
                instance.report_runless_asset_event(dg.AssetMaterialization(stages[name], partition="tiny"))
            return now

        def observed(version: str) -> None:
            instance.report_runless_asset_event(dg.AssetObservation("files", tags={DATA_VERSION_TAG: version}))

        asked()
        instance.report_runless_asset_event(dg.AssetMaterialization("my_docs"))
        observed("1")
        assert asked() == set(STAGE_NAMES)
        assert asked() == set()
        instance.report_runless_asset_event(dg.AssetMaterialization("my_docs"))
        assert asked() == set(STAGE_NAMES) - {"target_data"}
        observed("1")
        assert asked() == set()  # the same data version
        observed("2")
        assert asked() == set(STAGE_NAMES) - {"raw_corpus"}


def test_mlflow_is_where_the_project_says(ran_copy, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)  # MLflow makes an empty mlflow.db there when such a store registers a model
    store = (tmp_path / "store").as_uri()
    defs = build_definitions(tasks=ran_copy.file.parent, tracking_uri=store, experiment="warmups", sensors=False)
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey("base_model")})
    config = {"resources": {"getmore": {"config": {"overrides": ["base_model.small.rows=100"]}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("target", ["tiny"])
        done = job.execute_in_process(run_config=config, instance=instance, partition_key="tiny")
    client = MlflowClient(store)
    (run,) = client.search_runs([client.get_experiment_by_name("warmups").experiment_id])
    assert run.data.tags["dagster.run_id"] == done.run_id
    record = ran_copy.records.get("base_model")
    assert (record.mlflow_run_id, record.tracked_at) == (run.info.run_id, store)
    assert client.get_model_version("tiny.base_model", "1").run_id == run.info.run_id
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert damage.untracked(ran_copy.lake) == []  # though the lake's own store does not know the run


def test_what_is_no_source_is_refused():
    with pytest.raises(BadInput, match="upstream `pool`: is no source of the pipeline"):
        build_definitions(upstream={"pool": ["my_docs"]})


def test_the_package_says_what_it_has():
    assert "build_definitions" in dir(getmore_assets)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = getmore_assets.nothing
