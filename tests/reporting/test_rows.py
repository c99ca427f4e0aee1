import polars as pl
import pytest

from getmore_assets.reporting import plain, rows


def candidates(count=200, picked=60, unranked=0):
    """Candidates in another order than their rank."""
    ranks = [*range(1, count - unranked + 1), *[None] * unranked]
    frame = pl.DataFrame(
        {
            "id": [f"{n:032x}" for n in range(count)],
            "domain": ["near" if n < picked else f"far {n % 20}" for n in range(count)],
            "rank": pl.Series(ranks, dtype=pl.Int64),
            "decision": ["selected" if n < picked else "not selected" for n in range(count)],
        }
    )
    return frame.sample(fraction=1, shuffle=True, seed=0)


def ranks(group):
    return group.rows["rank"].to_list()


def test_groups_are_the_top_both_sides_of_the_cut_and_the_bottom():
    found = rows.groups(candidates())
    assert [ranks(group) for group in found] == [
        list(range(1, 26)),
        list(range(36, 61)),
        list(range(61, 86)),
        list(range(176, 201)),
    ]
    assert [group.picked for group in found] == [True, True, False, False]


@pytest.mark.parametrize(
    ("count", "picked", "unranked", "sizes"),
    [(30, 3, 0, [3, 25, 2]), (30, 30, 0, [25, 5]), (10, 10, 0, [10]), (80, 40, 40, [25, 15, 25])],
)
def test_no_row_is_shown_twice_in_a_small_ranking(count, picked, unranked, sizes):
    found = rows.groups(candidates(count, picked, unranked))
    assert [group.rows.height for group in found] == sizes
    ids = pl.concat(group.rows["id"] for group in found)
    assert ids.n_unique() == ids.len()


def test_shares_add_up_and_the_many_are_taken_together():
    shares = rows.mix(candidates(), "domain")
    assert shares[0] == rows.Share("near", 60, 0.3, 60, 1.0)
    assert shares[0].factor == pytest.approx(1 / 0.3)
    assert len(shares) == 16
    assert shares[-1].name == "6 others"
    assert sum(s.rows for s in shares) == 200
    assert sum(s.before for s in shares) == pytest.approx(1)
    assert sum(s.after for s in shares) == pytest.approx(1)


def test_reasons_are_counted_without_the_ids_and_names_in_them():
    one, two = "a" * 32, "b" * 32
    found = pl.DataFrame(
        [
            ("raw_corpus", f"near-duplicate of {one}"),
            ("raw_corpus", f"near-duplicate of {two}"),
            ("domain_triage", "domain is too far: x"),
            ("leakage", f"overlaps the target's test: near of {one}"),
        ],
        schema=["stage", "reason"],
        orient="row",
    )
    assert rows.left_out(found) == [
        ("raw_corpus", "near-duplicate of another", 2),
        ("domain_triage", "domain is too far", 1),
        ("leakage", "overlaps the target's test", 1),
    ]


def test_long_texts_and_names_are_cut_and_nothing_unseen_is_left():
    whole = "word " * 1000
    start, rest, left_out = plain.parts(whole)
    assert 300 < len(start) <= 400
    assert len(start) + len(rest) + 1 + left_out == len(whole)
    assert plain.parts("x" * 450) == ("x" * 450, "", 0)
    assert plain.name("a\n b\tc") == "a b c"
    assert plain.name("x" * 100) == "x" * 47 + "…"
    assert plain.name("") == plain.name(None) == plain.name(" \n") == "(none)"
    assert plain.visible("a\x00b\x1bc\ufffed\te\n") == "a\ufffdb\ufffdc\ufffdd\te\n"
