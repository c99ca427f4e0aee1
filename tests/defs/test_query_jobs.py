"""The jobs that answer a question, as they are started from the UI."""

import dagster as dg

from tests.conftest import task_fields, write_task
from tests.defs.damage import Copy
from tests.defs.test_jobs import do


def answer(result):
    (shown,) = result.filter_events(lambda event: event.event_type_value == "STEP_OUTPUT")
    return shown.step_output_data.metadata


def refusal(result):
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    return failure.step_failure_data.error.cause.message


def test_the_scorecard_is_shown_as_tables(ran):
    shown = answer(do("compare", ran.file))
    assert isinstance(shown["Scorecard"], dg.TableMetadataValue)
    assert [row.data["selector"] for row in shown["Scorecard"].records] == ["got-d", "no warm-up", "random"]
    assert {"Differences", "Cost of one run", "verdict", "report"} <= set(shown)


def test_without_a_scorecard_it_says_what_to_run(sources, tmp_path):
    task = write_task(tmp_path / "tiny.yaml", task_fields(sources, tmp_path / "lake"))
    assert "Run the job `run` first" in refusal(do("compare", task))


def test_a_row_is_explained(ran):
    picked = ran.records.get("selected_subset").table_ref().scan().head(1).collect()
    shown = answer(do("explain", ran.file, {"explain_row": {"config": {"row": picked["id"][0]}}}))
    assert shown["decision"].value == "selected"
    assert shown["text"].value == picked["text"][0][:500]
    assert [row.data["stage"] for row in shown["stages"].records][-1] == "selected_subset"


def test_a_row_that_is_none_is_refused(ran):
    said = refusal(do("explain", ran.file, {"explain_row": {"config": {"row": "there is no such text"}}}))
    assert "was not found in the pool" in said


def test_a_selection_is_made_again(ran, tmp_path):
    copy = Copy(ran, tmp_path)
    shown = answer(do("reproduce", copy.task))
    assert shown["hash"].value == shown["expected"].value == copy.record("selected_subset").data_version


def test_a_plan_of_what_is_made_says_that_it_is(ran):
    shown = answer(do("plan", ran.file))
    assert {row.data["cached"] for row in shown["stages"].records} == {"True"}
    assert shown["seconds"].value == 0
