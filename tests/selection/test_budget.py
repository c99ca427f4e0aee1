import polars as pl

from getmore_assets.config import Budget
from getmore_assets.corpus.identity import hash_lines
from getmore_assets.selection.budget import resolved, within_budget
from getmore_assets.selection.ranking import rank_at_random, rank_by_score

FRAME = pl.DataFrame({"id": list("dcba"), "score": [0.5, -1.0, -1.0, 0.0], "n_tokens": [5, 5, 7, 3]})


def test_the_smallest_score_comes_first_and_ties_go_by_id():
    ranked = rank_by_score(FRAME)
    assert ranked["id"].to_list() == ["b", "c", "a", "d"]
    assert ranked["rank"].to_list() == [1, 2, 3, 4]


def test_budgets():
    ranked = rank_by_score(FRAME)
    assert within_budget(ranked, Budget(rows=2)).height == 2
    assert within_budget(ranked, resolved(Budget(fraction=0.3), 4)).height == 2
    assert within_budget(ranked, Budget(tokens=12))["id"].to_list() == ["b", "c"]
    assert within_budget(ranked, Budget(tokens=14))["id"].to_list() == ["b", "c"]


def test_a_fraction_is_one_of_the_candidates_not_of_what_is_ranked():
    imported = rank_by_score(FRAME)
    assert within_budget(imported, resolved(Budget(fraction=0.05), 60)).height == 3
    assert within_budget(imported, resolved(Budget(fraction=0.05), 1000)).height == 4
    assert resolved(Budget(rows=2), 1000) == Budget(rows=2)
    assert resolved(Budget(tokens=2), 1000) == Budget(tokens=2)


def test_random_ranks_depend_on_the_seed_alone():
    one = rank_at_random(FRAME.drop("score"), 1)["id"].to_list()
    assert one == rank_at_random(FRAME.drop("score").reverse(), 1)["id"].to_list()
    orders = {tuple(rank_at_random(FRAME.drop("score"), seed)["id"]) for seed in range(20)}
    assert len(orders) > 5


def test_the_hash_names_ids_in_order():
    assert hash_lines(["a", "b"]) != hash_lines(["b", "a"])
