"""What each run of a comparison is trained on."""

from types import SimpleNamespace

import polars as pl
import pytest

from getmore_assets.config import Task
from getmore_assets.stages import comparison
from tests.conftest import task_fields
from tests.selection.test_explain import NO_SELECTION


@pytest.fixture
def asked(sources, tmp_path, monkeypatch):
    """The selectors, with seeds, that are asked for smaller budgets."""
    compare = [
        {"selector": "dsir", "quotas": {"by": "domain"}},  # plans for its budget, and draws
        {"selector": "dsir", "name": "plain", "seed": 7},
        "knn",
    ]
    fields = task_fields(sources, tmp_path / "lake", compare=compare, curves={"budgets": [0.5]}, seeds=3)
    task, found = Task.model_validate(fields), {}
    monkeypatch.setattr(comparison, "_request", lambda _context, selector, words: (selector, words))
    monkeypatch.setattr(comparison, "rank", lambda _context, made: found.setdefault("made", made))
    monkeypatch.setattr(comparison, "_head", lambda _made: pl.DataFrame({"id": ["1"]}))
    chosen = SimpleNamespace(facts=NO_SELECTION | {"n_tokens": 1000})
    return comparison._smaller_subsets(SimpleNamespace(task=task, inputs={"selected_subset": chosen})), found["made"]


def test_a_selector_that_plans_and_draws_draws_anew_for_each_seed_on_smaller_budgets_too(asked):
    smaller, made = asked
    assert [(one.selector, one.seed, words) for one, words in made] == [("dsir", seed, 500) for seed in range(3)]
    assert set(smaller) == {("dsir", seed, 0.5) for seed in range(3)}
