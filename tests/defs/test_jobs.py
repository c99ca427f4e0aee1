"""Jobs that are not the line, as they are started from the UI: an approval, an export."""

import dagster as dg
import polars as pl
from dagster._utils.tags import TagConcurrencyLimitsCounter

from getmore_assets.definitions import defs
from getmore_assets.defs.runs import PARTITION
from getmore_assets.reselection import approval
from getmore_assets.task_parsing import load_task
from tests.conftest import task_fields, write_task
from tests.defs.damage import Copy


def do(job, file, ops=None) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("target", ["tiny"])
        return defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            partition_key="tiny",
            raise_on_error=False,
            run_config={"resources": {"getmore": {"config": {"task_file": str(file)}}}, "ops": ops or {}},
        )


def test_the_selection_that_is_there_is_approved(ran, tmp_path):
    copy = Copy(ran, tmp_path)
    task, made = load_task(copy.task), copy.record("selected_subset").data_version
    assert not approval.is_given(copy.lake, task, made)
    assert do("approve", copy.task).success
    assert approval.is_given(copy.lake, task, made)
    assert not approval.is_given(copy.lake, task, "another")


def test_where_nothing_is_selected_there_is_nothing_to_approve(sources, tmp_path):
    result = do("approve", write_task(tmp_path / "tiny.yaml", task_fields(sources, tmp_path / "lake")))
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "Run the job `select` first" in failure.step_failure_data.error.cause.message


def test_the_selection_is_exported(ran, tmp_path):
    copy = Copy(ran, tmp_path)
    result = do("export", copy.task, {"write_files": {"config": {"formats": ["jsonl", "trl"]}}})
    assert result.success
    folder = copy.lake.root / "exports" / "tiny" / "files"
    assert pl.read_ndjson(folder / "selected.jsonl")["rank"].to_list() == list(range(1, 101))
    (shown,) = result.filter_events(lambda event: event.event_type_value == "STEP_OUTPUT")
    assert shown.step_output_data.metadata["trl.yaml"].value == str(folder / "trl.yaml")


def test_an_export_of_nothing_says_what_to_run(sources, tmp_path):
    task = write_task(tmp_path / "tiny.yaml", task_fields(sources, tmp_path / "lake"))
    result = do("export", task, {"write_files": {"config": {"to": str(tmp_path / "out")}}})
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "Run `select` first" in failure.step_failure_data.error.cause.message
    assert not (tmp_path / "out").exists()


def test_dagsters_limit_by_tag_would_have_a_question_wait_for_the_run_of_its_target():
    limit = {"key": PARTITION, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {PARTITION: "tiny"}
        run, question = (instance.create_run_for_job(defs.resolve_job_def(job), tags=tags) for job in ("run", "plan"))
    assert TagConcurrencyLimitsCounter([limit], [run]).is_blocked(question)
