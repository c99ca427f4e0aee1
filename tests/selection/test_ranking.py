from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from getmore_assets.selection import ranking

ELIGIBLE = pl.DataFrame({"id": list("abcd"), "source": "s", "domain": "d", "n_tokens": [3, 7, 5, 5]})
CONTEXT = SimpleNamespace(eligible=ELIGIBLE)


def test_the_smallest_score_comes_first_and_ties_go_by_id():
    ranked = ranking.by_score(CONTEXT, np.array([0.0, -1.0, -1.0, 0.5])).rows
    assert ranked.columns == ["rank", *ELIGIBLE.columns, "score"]
    assert ranked["id"].to_list() == ["b", "c", "a", "d"]
    assert ranked["rank"].to_list() == [1, 2, 3, 4]


def test_picks_come_first_then_the_others_by_score():
    ranked = ranking.by_order(CONTEXT, np.array([3, 1]), np.array([0.2, 9.0, 0.1, 0.5])).rows
    assert ranked["id"].to_list() == ["d", "b", "c", "a"]
    assert ranked["score"].to_list() == [0.5, 9.0, 0.1, 0.2]


def test_random_ranks_depend_on_the_seed_alone():
    one = ranking.at_random(CONTEXT, 1).rows["id"].to_list()
    assert one == ranking.at_random(SimpleNamespace(eligible=ELIGIBLE.reverse()), 1).rows["id"].to_list()
    assert len({tuple(ranking.at_random(CONTEXT, seed).rows["id"]) for seed in range(20)}) > 5


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_a_ranking_is_written_in_pieces(size, monkeypatch, tmp_path):
    monkeypatch.setattr(ranking, "PIECE_ROWS", size)
    made = ranking.by_score(CONTEXT, np.array([0.0, -1.0, -1.0, 0.5]))
    made.write(tmp_path / "ranked.parquet")
    assert pl.read_parquet(tmp_path / "ranked.parquet").equals(made.rows)
    assert [path.name for path in tmp_path.iterdir()] == ["ranked.parquet"]
