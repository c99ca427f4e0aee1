import polars as pl
import pytest

from getmore_assets.config import Drift
from getmore_assets.reselection.drift import difference, jaccard, weight_changed


def weights(**by_id: float) -> pl.DataFrame:
    return pl.DataFrame({"id": list(by_id), "weight": list(by_id.values())})


def test_the_weight_that_changed_is_the_total_variation():
    half = weights(a=0.5, b=0.5)
    assert weight_changed(half, half) == 0
    assert weight_changed(half, weights(b=0.5, a=0.5)) == 0
    assert weight_changed(half, weights(c=0.5, d=0.5)) == 1
    assert weight_changed(half, weights(a=0.5, c=0.5)) == pytest.approx(0.5)
    # A row that stands twice now weighs twice: nothing came or went, and yet the target moved.
    assert weight_changed(half, weights(a=1 / 3, b=2 / 3)) == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("gate", "rows", "distance", "passes"),
    [
        (Drift(), 0.0, 0.0, True),
        (Drift(), 1e-6, 0.0, False),
        (Drift(rows=0.01), 0.01, 9.0, True),
        (Drift(rows=0.01), 0.011, 0.0, False),
        (Drift(distance=0.1), 1.0, 0.1, True),
        (Drift(distance=0.1), 0.001, 0.11, False),
        (Drift(rows=0.5, distance=0.1), 0.4, 0.2, False),
        (Drift(rows=0.5, distance=0.1), 0.4, 0.05, True),
    ],
)
def test_the_gate_allows_what_all_that_is_set_allows(gate, rows, distance, passes):
    assert gate.allows(rows, distance) is passes


def chosen(ids: str, domains: str) -> pl.DataFrame:
    return pl.DataFrame({"id": list(ids), "rank": range(1, len(ids) + 1), "domain": list(domains)})


def test_a_difference_counts_what_came_and_went_and_how_the_rest_moved():
    found = difference(chosen("abcd", "xxyy"), chosen("bcae", "xyxz"))
    assert (found.added, found.dropped) == (1, 1)
    assert found.jaccard == pytest.approx(3 / 5)
    assert found.rank_correlation == pytest.approx(-0.5)  # a, b, c became b, c, a
    assert (found.domains_added, found.domains_dropped) == ({"z": 1}, {"y": 1})


def test_the_same_selection_is_no_difference_and_disjoint_ones_have_no_correlation():
    same = difference(chosen("abc", "xxx"), chosen("abc", "xxx"))
    assert (same.added, same.dropped, same.jaccard, same.rank_correlation) == (0, 0, 1.0, pytest.approx(1.0))
    apart = difference(chosen("ab", "xx"), chosen("cd", "xx"))
    assert (apart.jaccard, apart.rank_correlation) == (0.0, None)
    assert jaccard(pl.Series([], dtype=pl.String), pl.Series([], dtype=pl.String)) == 1.0
