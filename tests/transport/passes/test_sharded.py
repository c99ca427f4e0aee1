import numpy as np
import pytest

from getmore_assets.transport.passes import Inertia
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.passes.sharded import ShardedPass
from getmore_assets.transport.problem import pose
from getmore_assets.transport.solver import solve
from tests.transport.problems import points, weights


def test_shards_add_up_to_the_whole():
    x, y, b = points(20_000, 12, 0), points(40, 12, 1, 0.3), weights(40, 2)
    whole = CpuPass(pose(x, y, b))
    shards = ShardedPass([CpuPass(pose(part, y, b)) for part in (x[:3000], x[3000:11_000], x[11_000:])])
    g, inertia = np.zeros(40), Inertia(np.linspace(0, 0.1, 20_000, dtype=np.float32), 1.3)
    for relaxed in (None, inertia):
        (f, col), (f_whole, col_whole) = (p(g, 0.1, 20_000, relaxed) for p in (shards, whole))
        np.testing.assert_allclose(f, f_whole, atol=1e-6)
        np.testing.assert_allclose(col, col_whole, rtol=1e-4)
    np.testing.assert_allclose(shards.rough(g, 0.1, 20_000), whole.rough(g, 0.1, 20_000), atol=1e-4)
    for rows in (slice(0, 20_000), slice(2_990, 3_010), slice(2_000, 12_000), slice(19_999, 30_000)):
        np.testing.assert_array_equal(shards.problem.x[rows], x[rows])
    assert shards.problem.mean_cost == pytest.approx(whole.problem.mean_cost, abs=1e-6)
    one, two = (solve(p, 0.05 * whole.problem.mean_cost, tolerance=1e-5) for p in (whole, shards))
    assert set(np.argsort(one.f)[:500]) == set(np.argsort(two.f)[:500])
    assert one.dual == pytest.approx(two.dual, abs=1e-5)


def test_shards_may_weigh_more_than_their_rows():
    x, y, a = points(1000, 12, 0), points(40, 12, 1), np.repeat([3.0, 1.0], [400, 600])
    whole = CpuPass(pose(x, y, a=a))
    shards = ShardedPass([CpuPass(pose(x[:400], y)), CpuPass(pose(x[400:], y))], [1200, 600])
    (f, col), (f_whole, col_whole) = (p(np.zeros(40), 0.1, 1000) for p in (shards, whole))
    np.testing.assert_allclose(f, f_whole, atol=1e-6)
    np.testing.assert_allclose(col, col_whole, rtol=1e-4)
    np.testing.assert_allclose(shards.problem.weights(1000), whole.problem.weights(1000))
