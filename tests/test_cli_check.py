"""`getmore check`: exit codes, JUnit XML and what is said, on copies of a lake that went well."""

import hashlib
import json
import shutil
from xml.etree import ElementTree

import polars as pl
import pytest
from click.testing import CliRunner
from junitparser import JUnitXml

from getmore_assets.cli import main
from getmore_assets.records import STAGE_NAMES
from getmore_assets.stages.table import CHECKS
from tests.conftest import getmore, task_fields, write_task
from tests.defs import damage as d


@pytest.fixture
def copy(ran, tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return d.Copy(ran, tmp_path)


def check(copy, *options):
    """The command in this process, and its cases by name, as a standard XML parser reads them."""
    file = copy.task.with_suffix(".xml")
    done = CliRunner().invoke(main, ["check", str(copy.task), "--junit", str(file), "--json", *options])
    assert isinstance(done.exception, SystemExit | None), done.exception
    cases = {case.get("name"): case for case in ElementTree.parse(file).getroot().iter("testcase")}
    return done, cases, json.loads(done.stdout.splitlines()[-1])


def counts(copy):
    """Of the whole XML file, as junitparser reads it."""
    xml = JUnitXml.fromfile(str(copy.task.with_suffix(".xml")))
    suites = [sum(getattr(suite, what) for suite in xml) for what in ("tests", "failures", "errors", "skipped")]
    assert suites == [xml.tests, xml.failures, xml.errors, xml.skipped]
    return dict(zip(("tests", "failures", "errors", "skipped"), suites, strict=True))


def stored(copy):
    """A hash of every table and record."""
    files = sorted(p for part in ("tables", "records") for p in (copy.lake.root / part).rglob("*") if p.is_file())
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_a_good_lake_passes_and_stays_as_it_is(copy):
    before = stored(copy)
    done, cases, printed = check(copy)
    assert done.exit_code == 0
    assert stored(copy) == before
    assert list(cases) == [c.name for s in STAGE_NAMES for c in CHECKS if c.stage == s]
    assert {case.get("classname") for case in cases.values()} == {f"tiny.{stage}" for stage in STAGE_NAMES}
    assert counts(copy) == {"tests": len(CHECKS), "failures": 0, "errors": 0, "skipped": 0}
    assert printed["passed"] + printed["warning"] == len(printed["checks"]) == len(CHECKS)
    assert f"passed {printed['passed']}" in done.stderr


def test_a_blocking_check_that_fails_is_a_failure_by_name_with_what_is_wrong(copy):
    d.picked_with_other_text(copy)
    done, cases, printed = check(copy)
    assert done.exit_code == 1
    assert (printed["failed"], printed["error"]) == (1, 0)
    (failure,) = cases["picks_are_the_pools_rows"].findall("failure")
    assert failure.get("message").startswith("picks_are_the_pools_rows: Every selected row is in the pool")
    assert "other_text: 1" in failure.get("message")
    assert counts(copy) | {"tests": 0} == {"tests": 0, "failures": 1, "errors": 0, "skipped": 0}
    assert "failed: selected_subset, picks_are_the_pools_rows" in done.stderr
    assert "other_text: 1; not_to_be_picked: 0" in " ".join(done.stderr.split())


def test_advice_fails_only_when_it_is_asked_to(copy):
    d.forgotten(copy)
    done, cases, printed = check(copy)
    assert done.exit_code == 0
    assert printed["warning"] >= 1
    assert "warning: forgetting_is_bounded: " in cases["forgetting_is_bounded"].find("system-out").text
    assert counts(copy)["failures"] == 0
    done, cases, printed = check(copy, "--strict")
    assert done.exit_code == 1
    assert cases["forgetting_is_bounded"].find("failure").get("type") == "warning"
    assert counts(copy)["failures"] == printed["warning"]


def test_a_check_that_raises_is_an_error(copy):
    d.renamed("scorecard", "general_perplexity")(copy)
    done, cases, printed = check(copy)
    assert done.exit_code == 1
    assert printed["error"] >= 1
    assert "general_perplexity" in cases["forgetting_is_bounded"].find("error").get("message")
    assert cases["scorecard_has_its_columns"].find("failure") is not None
    assert counts(copy)["errors"] == printed["error"]


def test_a_table_that_is_gone_is_an_error_and_not_passed_over(copy):
    shutil.rmtree(copy.lake.table("embeddings"))
    done, cases, _ = check(copy)
    assert done.exit_code == 1
    assert "lost what its record names" in cases["vectors_have_unit_length"].find("error").get("message")


def test_stages_that_were_not_made_are_skipped(copy):
    (copy.lake.root / "records" / "tiny" / "scorecard.json").unlink()
    done, cases, printed = check(copy)
    assert done.exit_code == 0
    assert cases["every_run_is_scored"].find("skipped").get("message") == "scorecard has not been materialized"
    assert counts(copy)["skipped"] == printed["skipped"] == sum(c.stage == "scorecard" for c in CHECKS)


def test_control_characters_do_not_break_the_xml(copy):
    d.leaked(copy)
    copy.put("target_data", copy.rows("target_data").with_columns(origin=pl.lit("a\x0bb\x1b[31m.jsonl:1")))
    done, cases, _ = check(copy)
    assert done.exit_code == 1
    assert "jsonl:1" in cases["train_is_apart_from_test"].find("failure").get("message")


def test_what_cannot_be_checked_is_refused(sources, tmp_path):
    task = write_task(tmp_path / "task.yaml", task_fields(sources, tmp_path / "lake"))
    older = tmp_path / "checks.xml"
    older.write_text("<testsuites/>", "utf-8")
    done = getmore("check", str(task), "--json", "--junit", str(older))
    assert done.returncode == 2
    assert not older.exists()  # CI would show it as this one's
    assert f"Run it first: getmore run {task}" in done.stderr
    assert "there are no results of tiny" in json.loads(done.stdout)["error"]
    assert not (tmp_path / "lake").exists()
    for arguments in (["check", str(tmp_path / "none.yaml")], ["check", str(task), "seeds=0"], ["check"]):
        assert CliRunner().invoke(main, arguments).exit_code == 2
