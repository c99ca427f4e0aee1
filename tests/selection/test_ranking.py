from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from getmore_assets.selection import ranking

ELIGIBLE = pl.DataFrame({"id": list("abcd"), "source": "s", "domain": "d", "n_tokens": [3, 7, 5, 5]})


def rows(made):
    return made.rows(ELIGIBLE)


def test_the_smallest_score_comes_first_and_ties_go_by_id():
    ranked = rows(ranking.by_score(np.array([0.0, -1.0, -1.0, 0.5])))
    assert ranked.columns == ["rank", *ELIGIBLE.columns, "score"]
    assert ranked["id"].to_list() == ["b", "c", "a", "d"]
    assert ranked["rank"].to_list() == [1, 2, 3, 4]


def test_picks_come_first_then_the_others_by_score():
    ranked = rows(ranking.by_order(np.array([3, 1]), np.array([0.2, 9.0, 0.1, 0.5])))
    assert ranked["id"].to_list() == ["d", "b", "c", "a"]
    assert ranked["score"].to_list() == [0.5, 9.0, 0.1, 0.2]


def test_random_ranks_depend_on_the_seed_alone():
    drawn = [ranking.at_random(SimpleNamespace(eligible=ELIGIBLE), seed) for seed in (*range(20), 1)]
    assert rows(drawn[1]).equals(rows(drawn[-1]))
    assert len({tuple(rows(each)["id"]) for each in drawn}) > 5


def test_what_is_not_in_the_order_has_no_rank():
    made = ranking.Ranking(np.array([2, 0]), np.array([1.0, 2.0, 0.0, 2.0]))
    assert rows(made).select("id", "rank", "score").rows() == [("c", 1, 0.0), ("a", 2, 1.0)]


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_a_ranking_is_written_in_pieces_in_order_of_id(size, tmp_path):
    made = ranking.by_score(np.array([0.0, -1.0, -1.0, 0.5]))
    made.write(tmp_path / "ranked.parquet", ELIGIBLE.iter_slices(size))
    written = pl.read_parquet(tmp_path / "ranked.parquet")
    assert written["id"].to_list() == ELIGIBLE["id"].to_list()
    assert written.sort("rank").equals(rows(made))
    assert [path.name for path in tmp_path.iterdir()] == ["ranked.parquet"]
