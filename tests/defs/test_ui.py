"""What the UI shows of the definitions, beside the graph: columns, owners, tags, fields, links."""

import sqlite3

import dagster as dg
import pytest

from getmore_assets.definitions import defs
from getmore_assets.defs.asset_metadata import owners
from getmore_assets.defs.query_jobs import JOBS
from getmore_assets.records import STAGE_NAMES
from getmore_assets.stages.table import STAGES

COLUMNS = {name: stage.columns for name, stage in STAGES.items() if stage.columns}
SPECS = {spec.key.path[-1]: spec for spec in defs.resolve_all_asset_specs()}


@pytest.mark.parametrize("stage", COLUMNS)
def test_every_column_that_is_there_says_what_it_holds(stage, ran):
    said = SPECS[stage].metadata["dagster/column_schema"]
    said = getattr(said, "value", said)
    there = ran.records.get(stage).table_ref().scan().collect_schema()
    assert {column.name: column.type for column in said.columns} == {
        n: str(k) for n, k in there.items() if n in COLUMNS[stage]
    }
    assert set(there) == set(COLUMNS[stage])
    assert all(column.description for column in said.columns)


def test_every_stage_has_owners_tags_and_kinds():
    assert set(SPECS) == set(STAGE_NAMES)
    for spec in SPECS.values():
        assert list(spec.owners) == ["team:getmore"]
        assert spec.tags["getmore/makes"] in ("table", "model")
        assert spec.kinds


def test_owners_may_be_named(monkeypatch):
    monkeypatch.setenv("GETMORE_OWNERS", "team:data,someone@example.org")
    assert owners() == ["team:data", "someone@example.org"]


def test_every_job_and_every_launchpad_field_says_what_it_is():
    repository = defs.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    assert {"plan", "select", "run", "compare", "explain", "export", "check", "approve", "reproduce"} <= {
        job.name for job in jobs
    }
    for job in jobs:
        assert job.description, job.name
        for op in job.graph.node_defs:
            schema = getattr(op, "config_schema", None)
            fields = getattr(getattr(schema, "config_type", None), "fields", {})
            assert all(field.description for field in fields.values()), (job.name, op.name)
    resource = repository.get_top_level_resources()["getmore"]
    assert all(field.description for field in resource.config_schema.config_type.fields.values())


def test_jobs_of_the_same_names_as_the_verbs_are_there():
    assert [job.name for job in JOBS] == ["plan", "compare", "explain", "reproduce"]


def test_runs_are_linked_across_to_mlflow_and_back(ran):
    made = ran.records.get("warmed_model")
    assert made.mlflow_run_id in made.mlflow_url
    with sqlite3.connect(ran.lake.root / "mlflow.db") as store:
        tags = dict(store.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (made.mlflow_run_id,)))
    assert tags["dagster.run_id"] == made.dagster_run_id
    assert tags["dagster.run_url"].endswith(f"/runs/{made.dagster_run_id}")
    assert f"[Dagster run {made.dagster_run_id[:8]}]({tags['dagster.run_url']})" in tags["mlflow.note.content"]


def test_a_run_of_the_command_is_tagged_with_its_file(ran):
    with dg.DagsterInstance.local_temp(str(ran.lake.root / "dagster")) as instance:
        (run, *_) = instance.get_runs(dg.RunsFilter(job_name="run"))
    assert run.tags["getmore/task_file"] == str(ran.file)
    assert run.tags["dagster/partition"] == "tiny"
