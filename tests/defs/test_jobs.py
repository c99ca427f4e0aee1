"""Jobs that are not the line: the approval as it is given from the UI."""

import dagster as dg

from getmore_assets.definitions import defs
from getmore_assets.reselection import approval
from getmore_assets.task_files import load_task
from tests.conftest import task_fields, write_task
from tests.defs.damage import Copy


def approve(file) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("target", ["tiny"])
        return defs.resolve_job_def("approve").execute_in_process(
            instance=instance,
            partition_key="tiny",
            raise_on_error=False,
            run_config={"resources": {"line": {"config": {"task_file": str(file)}}}},
        )


def test_the_selection_that_is_there_is_approved(ran, tmp_path):
    copy = Copy(ran, tmp_path)
    task, made = load_task(copy.task), copy.record("selected_subset").data_version
    assert not approval.is_given(copy.lake, task, made)
    assert approve(copy.task).success
    assert approval.is_given(copy.lake, task, made)
    assert not approval.is_given(copy.lake, task, "another")


def test_where_nothing_is_selected_there_is_nothing_to_approve(sources, tmp_path):
    result = approve(write_task(tmp_path / "tiny.yaml", task_fields(sources, tmp_path / "lake")))
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "Run the job `select` first" in failure.step_failure_data.error.cause.message
