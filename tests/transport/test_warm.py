import numpy as np
import pytest

from getmore_assets.transport.divergence import Points, divergence
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.warm import carried_over, moved_marginal
from tests.transport.problems import points, solved, weights


@pytest.fixture(scope="module")
def problem():
    return points(900, 16, 1), points(40, 16, 2, 0.3), weights(40, 3)


def test_a_new_target_starts_from_the_g_of_the_nearest(problem):
    _, y, _ = problem
    g = np.arange(40.0)
    near = y[[7, 3, 31]] + 0.01 * points(3, 16, 9)
    assert carried_over(g, y, near).tolist() == [7, 3, 31]


@pytest.mark.parametrize(("first", "last"), [(0, 700), (100, 900), (150, 800), (0, 900)])
def test_the_marginal_after_candidates_came_and_went_is_that_of_a_whole_pass(problem, first, last):
    x, y, b = problem
    earlier = solved(x[100:800], y, b)
    came = np.concatenate([x[first:100], x[800:last]])
    went = np.concatenate([x[100:first], x[last:800]])

    def sweep(rows):
        return CpuPass(build_problem(rows, y, b)) if len(rows) else None

    col, f = moved_marginal(earlier.marginal, 700, earlier.g, earlier.epsilon, sweep(came), sweep(went))
    expected_f, expected = CpuPass(build_problem(x[first:last], y, b))(earlier.g, earlier.epsilon, last - first)
    np.testing.assert_allclose(col, expected, atol=1e-6)
    assert len(f) == len(came)
    mine = np.concatenate([np.arange(first, 100), np.arange(800, last)]) - first
    np.testing.assert_allclose(f, expected_f[mine], atol=1e-6)


def test_candidates_like_those_before_leave_the_marginal_within_tolerance_and_others_do_not(problem):
    x, y, b = problem
    earlier = solved(np.concatenate([x] * 20), y, b, tolerance=1e-4)
    far = np.repeat(y[:1], 2000, axis=0)
    for more, stays in ((x[:100], True), (far, False)):
        sweep = CpuPass(build_problem(more, y, b))
        col, _ = moved_marginal(earlier.marginal, 20 * len(x), earlier.g, earlier.epsilon, sweep, None)
        assert bool(np.abs(col - b).sum() < 5e-3) is stays


def test_the_divergence_is_none_from_itself_grows_with_a_shift_and_is_symmetric(problem):
    _, y, b = problem
    here = Points(y, b)
    assert divergence(here, here, 1024) == pytest.approx(0, abs=1e-6)
    apart = [divergence(here, Points(points(40, 16, 2, shift), b), 1024) for shift in (0.4, 0.8, 1.6)]
    assert apart == sorted(apart)
    assert apart[0] > 0
    there = Points(points(40, 16, 2, 0.8), b)
    assert divergence(there, here, 1024) == pytest.approx(divergence(here, there, 1024), rel=0.02)


def test_the_divergence_is_that_of_pot(problem):
    ot = pytest.importorskip("ot")
    _, y, b = problem
    other = points(50, 16, 4, 0.5)
    a = np.full(50, 1 / 50)

    def transport(p, x, q, z, reg):
        cost = 2 - 2 * (x.astype(np.float64) @ z.T.astype(np.float64))
        plan = ot.sinkhorn(p, q, cost, reg, method="sinkhorn_log", numItermax=3000, stopThr=1e-9, warn=False)
        return (plan * cost).sum() + reg * (plan * np.log(plan / np.outer(p, q))).sum()

    reg = 0.05 * float((np.outer(a, b) * (2 - 2 * other @ y.T)).sum())
    expected = transport(a, other, b, y, reg) - (transport(a, other, a, other, reg) + transport(b, y, b, y, reg)) / 2
    assert divergence(Points(other, a), Points(y, b), 1024) == pytest.approx(expected, rel=0.02)
