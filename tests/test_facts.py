from types import SimpleNamespace

import polars as pl
import pytest

from getmore_assets.corpus.pool import PoolFacts
from getmore_assets.errors import BadInput
from getmore_assets.facts import PotentialsFacts, RankingFacts, SelectionFacts
from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records
from getmore_assets.stages.run_plan import _pool_rows
from tests.selection.test_explain import NO_SELECTION


def of(**facts):
    return SimpleNamespace(facts=facts, stage="selected_subset", task="tiny")


def test_the_facts_of_every_version_are_read():
    earlier = PotentialsFacts.of(of(candidates=3, targets=2, epsilon=0.1, encoder="e", marginal_error=0.0))
    assert (earlier.moved, earlier.history, earlier.solver) == (None, [], "")
    later = PotentialsFacts.of(of(candidates=3, targets=2, epsilon=0.1, encoder="e", marginal_error=0.0, new="one"))
    assert later == earlier


def test_what_every_version_wrote_must_be_there():
    what = r"selected_subset of tiny: its record is damaged: fact `selection_hash`: Field required.*getmore repair"
    with pytest.raises(BadInput, match=what):
        SelectionFacts.of(of(n_tokens=3))


def test_only_what_was_given_is_written_and_a_selectors_own_facts_stay():
    facts = SelectionFacts.of(of(**NO_SELECTION, **{"lambda": 0.4}, winner="knn", heats=[{"loss": 2.0}]))
    assert facts.lambda_ == 0.4
    assert facts.given() == {**NO_SELECTION, "lambda": 0.4, "winner": "knn", "heats": [{"loss": 2.0}]}
    assert RankingFacts().given() == {}


@pytest.mark.parametrize(("unchanged", "rows"), [(0, 7), (2, None)])
def test_a_plan_does_not_count_files_that_were_not_read_again(tmp_path, unchanged, rows):
    source = {"field": "candidates.0", "path": "p", "format": "jsonl", "files": 1, "unchanged_files": unchanged}
    made = PoolFacts(pool="p", rows=7, sources=[{**source, "rows": 7}])
    given = dict.fromkeys(Record.__dataclass_fields__, "") | {"inputs": {}, "lineage": {}, "folders": {}, "table": None}
    record = Record(**{**given, "stage": "raw_corpus", "task": "t", "data_version": "v", "schema": 1})
    record = Record(**{**record.__dict__, "facts": made.given(), "figures": {}, "settings": {}, "contents": {}})
    Records(Lake(tmp_path), "t").put(record)
    assert _pool_rows(record, Lake(tmp_path)) == rows


@pytest.mark.parametrize("later", [False, True])
def test_a_ledger_of_before_stages_had_this_name_is_read(tmp_path, later):
    lake = Lake(tmp_path)
    ledger = pl.DataFrame({"id": ["a"], "decision": ["excluded"], "station": ["leakage"], "reason": ["overlaps"]})
    ref = lake.replace("row_ledger", ledger, {"target": "tiny"}, {})
    if later:
        lake.replace("row_ledger", ledger.rename({"station": "stage"}), {"target": "later"}, {})
        ref = lake.replace("row_ledger", ledger, {"target": "tiny"}, {})
    facts = {**NO_SELECTION, "ledger": {"path": ref.path, "version": ref.version}}
    read = SelectionFacts.of(of(**facts))
    assert read.fates("tiny").select("id", "stage").collect().rows() == [("a", "leakage")]
    assert "station" not in read.fates("tiny").collect_schema()
    assert read.fates("later").select("stage").collect()["stage"].to_list() == (["leakage"] if later else [])
