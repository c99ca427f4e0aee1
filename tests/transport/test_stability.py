import numpy as np

from getmore_assets.transport import stability
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.stability import choice_overlap
from tests.transport.problems import points, solved


def test_the_overlap_is_that_of_the_choices_at_other_epsilon():
    x, y = points(2000, 8, 0), points(50, 8, 1, 0.5)
    found = solved(x, y)
    overlaps = choice_overlap(build_problem(x, y), found.g, found.epsilon, None, 1024)
    assert [(o["factor"], o["share"]) for o in overlaps] == [(f, s) for f in (0.5, 2.0) for s in stability.SHARES]
    for one in overlaps:
        other = solved(x, y, relative=0.1 * one["factor"])
        k = int(np.ceil(one["share"] * 2000))
        first, second = (set(np.argsort(f, kind="stable")[:k]) for f in (found.f, other.f))
        assert abs(one["jaccard"] - len(first & second) / len(first | second)) < 0.1
    assert 0.3 < overlaps[1]["jaccard"] < 1


def test_it_says_where_no_solve_converged(monkeypatch):
    monkeypatch.setattr(stability, "_MAX_PASSES", 1)
    monkeypatch.setattr(stability, "_TOLERANCE", 1e-9)
    x, y = points(300, 8, 0), points(20, 8, 1, 0.5)
    overlaps = choice_overlap(build_problem(x, y), solved(x, y).g, 0.01, None, 1024)
    assert {one["jaccard"] for one in overlaps} == {None}


def test_it_is_the_overlap_of_the_relaxed_choices_where_the_solve_was_relaxed():
    x, y = points(2000, 8, 0), points(50, 8, 1, 0.5)
    found = solved(x, y, relaxation=0.02)
    by_hand = [solved(x, y, relative=0.1 * factor, relaxation=0.02, tolerance=5e-3) for factor in (0.5, 2.0)]
    overlaps = choice_overlap(build_problem(x, y), found.g, found.epsilon, 0.02, 1024)
    first, *others = (set(np.argsort(one.f, kind="stable")[:100]) for one in (found, *by_hand))
    for one, other in zip((o for o in overlaps if o["share"] == 0.05), others, strict=True):
        assert abs(one["jaccard"] - len(first & other) / len(first | other)) < 0.05
    exact = choice_overlap(build_problem(x, y), found.g, found.epsilon, None, 1024)
    assert [one["jaccard"] for one in exact] != [one["jaccard"] for one in overlaps]
