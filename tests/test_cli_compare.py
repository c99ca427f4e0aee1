"""`getmore compare`: what is there is printed; what is asked on the command line is a task like any other."""

import json

import pytest

from getmore_assets.cli.compare import _overrides
from getmore_assets.errors import BadInput
from getmore_assets.task_parsing import load_task
from tests.conftest import getmore, task_fields, write_task


def test_a_scorecard_that_is_there_is_printed_and_nothing_is_run(ran):
    runs = sorted((ran.lake.root / "dagster").rglob("*"))
    done = getmore("compare", str(ran.file))
    assert done.returncode == 0, done.stderr
    for said in ("Scorecard", "no warm-up", "random", "Differences", "Cost of one run", "perplexity", "report: "):
        assert said in done.stdout
    found = json.loads(getmore("compare", str(ran.file), "--json").stdout.splitlines()[-1])
    assert found["verdict"] == ran.printed["verdict"]
    assert set(found["gains"]) == {"none", "random"}
    assert sorted((ran.lake.root / "dagster").rglob("*")) == runs


def test_options_are_fields_of_the_task_file(sources, tmp_path):
    rounds = {"selector": "got-d-rounds", "name": "four", "rounds": {"rounds": 4, "lambda": 0.5}}
    fields = task_fields(sources, tmp_path / "lake", compare=["none", rounds])
    task = load_task(file := write_task(tmp_path / "t.yaml", fields))
    changed = load_task(file, _overrides(task, "knn, four,got-d,none", 4))
    assert changed.selection.called == "knn"
    assert changed.selection.budget == task.selection.budget
    assert [one.called for one in changed.rivals] == ["four", "got-d"]
    assert changed.rivals[0].rounds.rounds == 4
    assert changed.unselected == ["none"]
    assert changed.seeds == 4
    assert load_task(file, _overrides(task, None, None)) == task


@pytest.mark.parametrize("names", ["none,got-d", ",", "got-d,got-d"])
def test_names_that_make_no_comparison_are_refused(names, sources, tmp_path):
    task = load_task(write_task(tmp_path / "t.yaml", task_fields(sources, tmp_path / "lake")))
    with pytest.raises(BadInput, match="must begin with a selector, which is compared"):
        _overrides(task, names, None)


def test_a_selector_that_there_is_not_is_refused(ran):
    done = getmore("compare", str(ran.file), "--selectors", "got-d,best")
    assert done.returncode == 2
    assert "compare.0.selector" in done.stderr
