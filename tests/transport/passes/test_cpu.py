import numpy as np
import pytest

from getmore_assets.transport.passes import OverRelaxation, cpu
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.problem import build_problem
from tests.transport.problems import costs, points, weights


def by_definition(x, y, a, b, g, epsilon, cost, inertia=None):
    """The module's equations in float64."""
    matrix = costs(x, y, cost)
    z = np.log(b) + (g - matrix) / epsilon
    top = z.max(1, keepdims=True)
    f = -epsilon * (top[:, 0] + np.log(np.exp(z - top).sum(1)))
    if inertia:
        f = (1 - inertia.momentum) * inertia.old + inertia.momentum * f
    return f, (a[:, None] * b * np.exp((f[:, None] + g - matrix) / epsilon)).sum(0)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("cost", ["unit", "cosine", "sqeuclidean"])
@pytest.mark.parametrize("relaxed", [False, True])
def test_a_pass_is_its_definition(cost, packed, relaxed, monkeypatch):
    if packed and not cpu.has_onednn():
        pytest.skip("this torch has no packed product")
    monkeypatch.setattr(cpu, "has_onednn", lambda: packed)
    x, y = points(700, 9, 0) * np.float32(1.4), points(33, 9, 1)
    a, b, g = weights(700, 2), weights(33, 3), np.random.default_rng(4).normal(size=33) * 0.1
    inertia = (
        OverRelaxation(np.random.default_rng(5).normal(size=700).astype(np.float32) * 0.1, 1.3) if relaxed else None
    )
    f, col = CpuPass(build_problem(x, y, b, a, cost), rows=64)(g, 0.1, 700, inertia)
    expected_f, expected_col = by_definition(x, y, a, b, g, 0.1, cost, inertia)
    np.testing.assert_allclose(f, expected_f, atol=1e-5)
    np.testing.assert_allclose(col, expected_col, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("halves", [True, False])
def test_a_rough_pass_is_near_the_precise_one(halves):
    x, y, a, b = points(20_000, 32, 0, 0.3), points(150, 32, 1, 0.3), weights(20_000, 2), weights(150, 3)
    tile_pass, g = CpuPass(build_problem(x, y, b, a)), np.random.default_rng(4).normal(size=150) * 0.05
    if halves and not tile_pass._halves:
        pytest.skip("this processor has no bfloat16 products")
    tile_pass._halves = halves
    rough, precise = tile_pass.low_precision(g, 0.05, 15_000), tile_pass(g, 0.05, 15_000)[1]
    assert rough.sum() == pytest.approx(1, abs=1e-4)
    assert np.abs(rough - precise).sum() < (0.01 if halves else 1e-12)


def test_the_first_rows_are_weighed_among_themselves():
    x, y = points(700, 9, 0), points(33, 9, 1)
    a, b, g = weights(700, 2), weights(33, 3), np.zeros(33)
    _, col = CpuPass(build_problem(x, y, b, a))(g, 0.1, 250)
    _, expected = by_definition(x[:250], y, a[:250] / a[:250].sum(), b, g, 0.1, "unit")
    np.testing.assert_allclose(col, expected, rtol=1e-4)
    assert col.sum() == pytest.approx(1, abs=1e-5)


def test_a_constant_added_to_g_leaves_the_marginal_and_is_taken_from_f():
    tile_pass, g = (
        CpuPass(build_problem(points(300, 9, 0), points(33, 9, 1))),
        np.random.default_rng(4).normal(size=33) * 0.1,
    )
    (f, col), (shifted, same) = tile_pass(g, 0.1, 300), tile_pass(g + 0.7, 0.1, 300)
    np.testing.assert_allclose(shifted, f - 0.7, atol=1e-5)
    np.testing.assert_allclose(same, col, rtol=1e-3)
