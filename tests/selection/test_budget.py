import polars as pl
import pytest

from getmore_assets.config import Budget
from getmore_assets.corpus.candidates import Candidates
from getmore_assets.corpus.identity import hash_lines
from getmore_assets.errors import BadInput
from getmore_assets.selection.budget import resolved, within_budget

RANKED = pl.DataFrame({"id": list("abcd"), "n_tokens": [3, 7, 5, 5], "rank": [3, 1, 2, 4]})


@pytest.mark.parametrize("ranked", [RANKED, RANKED.lazy()], ids=["a frame", "a scan"])
def test_budgets(ranked):
    assert within_budget(ranked, Budget(rows=2)).height == 2
    assert within_budget(ranked, resolved(Budget(fraction=0.3), 4)).height == 2
    assert within_budget(ranked, Budget(tokens=12))["id"].to_list() == ["b", "c"]
    assert within_budget(ranked, Budget(tokens=14))["id"].to_list() == ["b", "c"]


def test_more_tokens_than_32_bits_hold_are_counted():
    large = pl.DataFrame({"n_tokens": [2**30] * 6, "rank": range(1, 7)}, schema_overrides={"n_tokens": pl.Int32})
    assert within_budget(large, Budget(tokens=2**32)).height == 4
    rows = large.with_columns(id=pl.lit("a"), out=pl.lit(False))
    Candidates(rows.lazy()).require_budget(Budget(tokens=6 * 2**30))
    with pytest.raises(BadInput, match="6442450944 are eligible"):
        Candidates(rows.lazy()).require_budget(Budget(tokens=6 * 2**30 + 1))


def test_a_fraction_is_one_of_the_candidates_not_of_what_is_ranked():
    assert within_budget(RANKED, resolved(Budget(fraction=0.05), 60)).height == 3
    assert within_budget(RANKED, resolved(Budget(fraction=0.05), 1000)).height == 4
    assert resolved(Budget(rows=2), 1000) == Budget(rows=2)
    assert resolved(Budget(tokens=2), 1000) == Budget(tokens=2)


def test_the_hash_names_ids_in_order():
    assert hash_lines(["a", "b"]) != hash_lines(["b", "a"])
