"""What a task asks for is counted as the line does it."""

import pytest

from getmore_assets.config import Budget
from getmore_assets.planning import work
from getmore_assets.task_files import load_task
from tests.conftest import task_fields, write_task


def test_the_runs_of_a_comparison_are_those_that_were_made(ran):
    counted = sum(one.times for one in work.comparison(load_task(ran.file)))
    made = list((ran.lake.root / "runs" / "tiny").glob("*.json"))
    assert counted == len(made) == 5


def test_curves_and_slices_are_runs_too(sources, tmp_path):
    curves = {"labels": [10, 20], "budgets": [0.5], "quantiles": 3}
    fields = task_fields(sources, tmp_path / "lake", seeds=2, compare=["none", "knn"], curves=curves)
    found = work.comparison(load_task(write_task(tmp_path / "t.yaml", fields)))
    counted = {(one.selector, one.share, one.labels): (one.times, one.warmups) for one in found}
    assert counted == {
        ("got-d", 1.0, None): (1, 1),
        ("none", 0.0, None): (2, 0),
        ("knn", 1.0, None): (2, 2),
        ("got-d", 1.0, 10): (2, 1),
        ("got-d", 1.0, 20): (2, 0),
        ("none", 0.0, 10): (2, 0),
        ("none", 0.0, 20): (2, 0),
        ("got-d", 0.5, None): (2, 2),
        ("knn", 0.5, None): (2, 2),
        ("slices of the pool", 1.0, None): (6, 6),
    }


@pytest.mark.parametrize(("budget", "rows"), [({"rows": 7}, 7), ({"fraction": 0.015}, 15), ({"tokens": 500}, 10)])
def test_a_budget_pays_for(budget, rows):
    assert work.picks(Budget(**budget), 1000, 50.0) == rows
