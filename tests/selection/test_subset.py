import polars as pl

from getmore_assets.config import Budget
from getmore_assets.selection import subset

FRAME = pl.DataFrame({"id": list("dcba"), "score": [0.5, -1.0, -1.0, 0.0], "n_tokens": [5, 5, 7, 3]})


def test_the_smallest_score_comes_first_and_ties_go_by_id():
    ranked = subset.rank_by_score(FRAME)
    assert ranked["id"].to_list() == ["b", "c", "a", "d"]
    assert ranked["rank"].to_list() == [1, 2, 3, 4]


def test_budgets():
    ranked = subset.rank_by_score(FRAME)
    assert subset.take(ranked, Budget(rows=2)).height == 2
    assert subset.take(ranked, Budget(fraction=0.3)).height == 2
    assert subset.take(ranked, Budget(tokens=12))["id"].to_list() == ["b", "c"]
    assert subset.take(ranked, Budget(tokens=14))["id"].to_list() == ["b", "c"]


def test_random_ranks_depend_on_the_seed_alone():
    one = subset.rank_at_random(FRAME.drop("score"), 1)["id"].to_list()
    assert one == subset.rank_at_random(FRAME.drop("score").reverse(), 1)["id"].to_list()
    orders = {tuple(subset.rank_at_random(FRAME.drop("score"), seed)["id"]) for seed in range(20)}
    assert len(orders) > 5


def test_the_hash_names_ids_in_order():
    assert subset.selection_hash(["a", "b"]) != subset.selection_hash(["b", "a"])
