import json

import polars as pl
import pytest

from getmore_assets.config import Budget, Task
from getmore_assets.corpus import candidates, pool, target
from getmore_assets.corpus.identity import content_id
from getmore_assets.corpus.leakage import SCHEMA
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from tests.conftest import task_fields


def test_what_the_target_is_tested_on_leaves_the_pool(sources, tmp_path):
    leaked = pl.read_parquet(sources / "pool.parquet")["text"].head(3).to_list()
    test = tmp_path / "test.jsonl"
    rows = [json.loads(line) for line in (sources / "test.jsonl").read_text().splitlines()]
    test.write_text("".join(json.dumps(r) + "\n" for r in [*rows, *({"text": f" {t}\n"} for t in leaked)]))
    fields = task_fields(sources, tmp_path / "lake")
    task = Task.model_validate({**fields, "target": {**fields["target"], "test": str(test)}})
    lake = Lake(task.lake)
    table, _, _ = pool.build(task, lake, {})
    splits, _ = target.read_target(task)
    kept = lake.replace(target.TABLE, splits, {"target": task.name}, {})
    leak = {"id": table.scan().select("id").collect()["id"].max(), "kind": "near", "split": "test", "of": "e" * 32}
    leaks = lake.replace("leakage", pl.DataFrame([{**leak, "overlap": 0.8}], schema=SCHEMA), {"target": task.name}, {})
    found = candidates.find(task, table, kept, leaks)
    excluded = found.excluded_rows.collect()
    reasons = excluded["reason"]
    assert (reasons == "is in the target's test").sum() >= 3
    whole = {content_id(text) for text in leaked if len(text) <= task.corpus.passage_chars}
    assert whole <= set(excluded.filter(reasons == "is in the target's test")["id"])
    assert (reasons == "held out as general text").sum() > 10
    assert f"overlaps the target's test: near of {'e' * 32}" in set(reasons)
    stages = set(excluded["stage"])
    assert {"target_data", "leakage", "raw_corpus"} == stages
    assert found.eligible.height + excluded.height == pl.read_delta(table.path).height


@pytest.mark.parametrize("budget", [Budget(rows=4), Budget(tokens=31)])
def test_a_budget_beyond_the_pool_is_refused(budget):
    rows = pl.DataFrame({"id": ["a", "b", "c", "d"], "n_tokens": [10, 10, 10, 10], "out": [False, False, False, True]})
    found = candidates.Candidates(rows.lazy())
    with pytest.raises(BadInput, match="eligible"):
        found.require_budget(budget)
    found.require_budget(Budget(rows=3))


def test_an_id_that_stands_twice_is_an_error():
    rows = pl.DataFrame({"id": ["b", "a", "b"], "source": "s", "domain": "d", "n_tokens": 10, "out": False})
    with pytest.raises(RuntimeError, match="an id twice"):
        _ = candidates.Candidates(rows.lazy()).eligible
