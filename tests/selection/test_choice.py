from types import SimpleNamespace

import polars as pl
import pytest

from getmore_assets.config import Task
from getmore_assets.corpus.candidates import Candidates
from getmore_assets.selection import choice


@pytest.fixture
def tables(monkeypatch):
    """A hundred candidates, without texts and target."""
    ids = [f"{i:032x}" for i in range(100)]
    monkeypatch.setattr(choice.pool, "texts_of", lambda _table, _task, ids: ids)
    monkeypatch.setattr(choice, "nearest_targets_of", lambda *given: ([[] for _ in given[-1]], []))
    rows = pl.DataFrame({"id": ids, "source": "s", "domain": "d", "n_tokens": 5})
    reasons = dict.fromkeys(("origin", "stage", "reason"), "id")
    found = Candidates(rows.lazy().with_columns(out=pl.lit(False), **reasons))
    return SimpleNamespace(candidates=lambda *_: found, raw_corpus=None), rows


@pytest.mark.parametrize(("imported", "taken"), [(100, 10), (40, 10), (10, 10), (4, 4)])
def test_a_fraction_of_what_another_tool_chose_is_one_of_the_candidates(tables, imported, taken):
    places, rows = tables
    chosen = {"selector": "imported", "imported": {"path": "rival.parquet"}, "budget": {"fraction": 0.1}}
    task = Task(name="t", candidates=[{"path": "pool.parquet"}], target={"train": "t.jsonl"}, selection=chosen)
    ranked = rows.head(imported).with_row_index("rank", 1).with_columns(score=pl.lit(0.0)).lazy()
    made = choice.take(task, places, "encoder", 0.1, ranked)
    assert made.rows["id"].to_list() == rows["id"].head(taken).to_list()
    assert pl.concat(made.ledger())["decision"].value_counts(sort=True).rows() == [
        ("not selected", 100 - taken),
        ("selected", taken),
    ]
