import numpy as np
import pytest
import torch

from getmore_assets.transport.passes import OverRelaxation
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.passes.gpu import GpuPass
from getmore_assets.transport.problem import build_problem
from tests.transport.problems import points, weights


@pytest.mark.parametrize(("m", "d"), [(30, 384), (4000, 16)])
def test_a_tile_with_its_vectors_fills_half_the_memory(m, d):
    rows = GpuPass(build_problem(points(100, d, 0), points(m, d, 1)), torch.device("cpu"), 8).rows
    assert rows * 4 * (m + d) <= 4 * 2**20 < (rows + 1) * 4 * (m + d)


@pytest.mark.parametrize("cost", ["unit", "sqeuclidean"])
@pytest.mark.parametrize("kept", [False, True])
def test_it_computes_what_the_cpu_computes(cost, kept):
    """Its operations are torch's, the same on any device; where there is a GPU it is that."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x, y, a, b = points(30_000, 16, 0), points(50, 16, 1), weights(30_000, 2), weights(50, 3)
    g, inertia = np.random.default_rng(4).normal(size=50) * 0.1, OverRelaxation(np.zeros(20_000, np.float32), 1.2)
    problem = build_problem(x, y, b, a, cost)
    on_device = GpuPass(problem, device, 1)
    on_device._keeps = kept
    assert on_device.rows < 30_000
    for n, relaxed in ((20_000, None), (20_000, inertia), (30_000, None), (5, None)):
        f, col = on_device(g, 0.1, n, relaxed)
        expected_f, expected_col = CpuPass(problem)(g, 0.1, n, relaxed)
        np.testing.assert_allclose(f, expected_f, atol=2e-5)
        np.testing.assert_allclose(col, expected_col, rtol=1e-3, atol=1e-8)
    precise = on_device(g, 0.1, 20_000)[1]
    assert np.abs(on_device.low_precision(g, 0.1, 20_000) - precise).sum() < (0.01 if device.type == "cuda" else 1e-12)
