import numpy as np
import pytest

from getmore_assets.transport.passes import OverRelaxation
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.passes.kept import WIDEST, WIDEST_HALF
from getmore_assets.transport.plan import keep_mb
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import solve
from tests.transport.passes.test_cpu import by_definition
from tests.transport.problems import points, weights

N, M = 1500, 33
WHOLE = 4 * N * M / 2**20  # MiB of its kernel in float32


def vectors():
    return points(N, 9, 0) * np.float32(1.4), points(M, 9, 1)


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0], ids=["half, of some", "half, of all", "float32"])
@pytest.mark.parametrize("cost", ["unit", "cosine", "sqeuclidean"])
@pytest.mark.parametrize("relaxed", [False, True])
def test_a_pass_over_what_is_kept_is_its_definition(cost, share, relaxed):
    (x, y), a, b = vectors(), weights(N, 2), weights(M, 3)
    tile_pass = CpuPass(build_problem(x, y, b, a, cost), rows=64, keep_mb=share * WHOLE)
    inertia = OverRelaxation(np.random.default_rng(5).normal(size=N).astype(np.float32) * 0.1, 1.3) if relaxed else None
    for seed in range(3):
        g = np.random.default_rng(seed).normal(size=M) * 0.1
        f, col = tile_pass(g, 0.1, N, inertia)
        expected_f, expected_col = by_definition(x, y, a, b, g, 0.1, cost, inertia)
        np.testing.assert_allclose(f, expected_f, atol=1e-5 if share == 1 else 1e-4)
        np.testing.assert_allclose(col, expected_col, rtol=1e-3, atol=1e-7)
    assert tile_pass._kept.half == (share < 1)
    assert tile_pass._kept.rows == {0.3: 512, 0.6: N, 1.0: N}[share]
    assert len(tile_pass._kept._chunks) == -(-tile_pass._kept.rows // 512)


def test_the_kernel_grows_with_the_sample_and_goes_with_its_epsilon():
    (x, y), a, b = vectors(), weights(N, 2), weights(M, 3)
    tile_pass, plain = (CpuPass(build_problem(x, y, b, a), rows=64, keep_mb=keep) for keep in (WHOLE, 0))
    for n, epsilon in ((100, 0.1), (700, 0.1), (N, 0.1), (300, 0.1), (N, 0.05), (40, 0.05)):
        g = np.random.default_rng(n).normal(size=M) * 0.1
        (f, col), (computed, by_products) = tile_pass(g, epsilon, n), plain(g, epsilon, n)
        np.testing.assert_allclose(f, computed, atol=1e-6)
        np.testing.assert_allclose(col, by_products, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(tile_pass.low_precision(g, epsilon, n), by_products, rtol=1e-5, atol=1e-9)


def test_it_is_the_same_on_any_number_of_threads():
    (x, y), g = vectors(), np.random.default_rng(4).normal(size=M) * 0.1
    for share in (0.3, 1.0):
        found = [CpuPass(build_problem(x, y), threads, 64, share * WHOLE) for threads in (1, 3)]
        passes = [[tile_pass(g * k, 0.1, N) for k in (1, 2)] for tile_pass in found]
        for (f, col), (same_f, same_col) in zip(*passes, strict=True):
            np.testing.assert_array_equal(f, same_f)
            np.testing.assert_array_equal(col, same_col)


@pytest.mark.parametrize("wide", [WIDEST_HALF - 1, WIDEST_HALF + 1, WIDEST + 1])
def test_a_range_that_precision_does_not_cover_takes_another(wide):
    x, y = vectors()
    tile_pass = CpuPass(build_problem(x, y), rows=64, keep_mb=0.6 * WHOLE)
    g = np.linspace(0, 0.1 * wide, M)
    f, col = tile_pass(g, 0.1, N)
    expected_f, expected_col = by_definition(x, y, weights(N, 0) * 0 + 1 / N, np.full(M, 1 / M), g, 0.1, "unit")
    np.testing.assert_allclose(f, expected_f, atol=1e-4)
    np.testing.assert_allclose(col, expected_col, rtol=2e-3, atol=1e-7)
    assert tile_pass._kept.half == (wide < WIDEST_HALF)
    assert bool(tile_pass._kept._chunks) == (wide < WIDEST)


def test_targets_without_weight_get_nothing():
    (x, y), b = vectors(), np.append(np.ones(M - 1), 0.0)
    f, col = CpuPass(build_problem(x, y, b), keep_mb=WHOLE)(np.zeros(M), 0.1, N)
    expected, _ = CpuPass(build_problem(x, y, b))(np.zeros(M), 0.1, N)
    np.testing.assert_allclose(f, expected, atol=1e-6)
    assert col[-1] == 0


@pytest.mark.parametrize("half", [True, False])
def test_a_solve_ends_where_one_without_it_does(half):
    x, y = points(9000, 24, 0, 0.2), points(120, 24, 1, 0.2)
    problem = build_problem(x, y)
    epsilon, size = 0.05 * problem.mean_cost, 4 * 9000 * 120 / 2**20
    kept = solve(CpuPass(problem, keep_mb=size / 2 if half else size), epsilon, tolerance=1e-4)
    plain = solve(CpuPass(problem), epsilon, tolerance=1e-4)
    _, col = CpuPass(problem)(kept.g, epsilon, problem.n)
    assert np.abs(col - problem.b).sum() == pytest.approx(kept.error, abs=1e-5)
    assert np.abs(kept.f - plain.f).max() < 2e-3 * epsilon
    assert len(set(np.argsort(kept.f)[:500]) & set(np.argsort(plain.f)[:500])) >= 498


def test_the_plan_keeps_what_the_limit_leaves():
    assert keep_mb(1000, 100, 64, 1024) == pytest.approx(4 * 1000 * 100 / 2**20)
    assert keep_mb(10**9, 4000, 256, 100) == 0
    some = keep_mb(133_585, 4135, 256, 1024)
    assert 700 < some < 900
    assert keep_mb(133_585, 4135, 256, 1124) - some == pytest.approx(100)
