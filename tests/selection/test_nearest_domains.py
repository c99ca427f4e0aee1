"""Random rows of the nearest domains."""

import numpy as np
import polars as pl

from getmore_assets.selection import nearest_domains

NEARNESS = pl.DataFrame({"domain": ["far", "near", "next"], "nearness": [3, 1, 2]})
ROWS = pl.DataFrame(
    {"id": [f"{n:032x}" for n in range(300)], "domain": ["far", "near", "next", "unknown"] * 75, "source": "s"}
)


def ranked(spend, seed=0, price=1.0, rows=ROWS):
    scores = nearest_domains.scores(rows, NEARNESS, np.full(300, price), spend, seed)
    return rows.with_columns(score=pl.Series(scores)).sort("score")


def domains(rows):
    return set(rows["domain"])


def test_rows_come_from_the_nearest_domain_where_it_holds_twice_the_budget():
    rows = ranked(30)
    assert domains(rows.head(75)) == {"near"}
    assert domains(rows[75:150]) == {"next"}
    assert domains(rows[150:225]) == {"far"}
    assert domains(rows[225:]) == {"unknown"}
    assert rows["score"].cast(pl.Int64).to_list() == [0] * 75 + [1] * 75 + [2] * 75 + [3] * 75


def test_as_many_domains_are_drawn_from_together_as_hold_twice_the_budget():
    assert domains(ranked(40).head(40)) == {"near", "next"}
    assert domains(ranked(40)[150:225]) == {"far"}
    assert domains(ranked(40 * 7, price=7.0).head(40)) == {"near", "next"}


def test_the_draw_is_by_id_and_seed():
    assert ranked(30).equals(ranked(30))
    assert ranked(30).head(30)["id"].to_list() != ranked(30, seed=1).head(30)["id"].to_list()
    some = ranked(30, rows=ROWS.sample(fraction=1, shuffle=True, seed=1))
    assert some["id"].to_list() == ranked(30)["id"].to_list()
    assert sorted(ranked(30).head(75)["id"]) != ranked(30).head(75)["id"].to_list()
