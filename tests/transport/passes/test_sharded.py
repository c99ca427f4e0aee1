import numpy as np
import pytest
import torch

from getmore_assets.transport.passes import OverRelaxation
from getmore_assets.transport.passes.cpu import CpuPass, chunk_rows
from getmore_assets.transport.passes.gpu import GpuPass
from getmore_assets.transport.passes.sharded import ShardedPass, split
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import solve
from tests.transport.problems import points, weights


def test_shards_add_up_to_the_whole():
    x, y, b = points(20_000, 12, 0), points(40, 12, 1, 0.3), weights(40, 2)
    problem = build_problem(x, y, b)
    whole, shards = CpuPass(problem), ShardedPass(problem, [CpuPass(part) for part in split(problem, 3)])
    g, inertia = np.linspace(-0.1, 0.1, 40), OverRelaxation(np.linspace(0, 0.1, 20_000, dtype=np.float32), 1.3)
    for n in (20_000, 4096, 13, 9000):
        for relaxed in (None, OverRelaxation(inertia.old[:n], 1.3)):
            (f, col), (f_whole, col_whole) = (p(g, 0.1, n, relaxed) for p in (shards, whole))
            np.testing.assert_array_equal(f, f_whole)
            np.testing.assert_allclose(col, col_whole, rtol=1e-14)
        np.testing.assert_allclose(shards.low_precision(g, 0.1, n), whole.low_precision(g, 0.1, n), rtol=1e-14)
    one, two = (solve(p, 0.05 * problem.mean_cost) for p in (whole, shards))
    np.testing.assert_allclose(two.f, one.f, atol=1e-7)
    assert set(np.argsort(one.f)[:500]) == set(np.argsort(two.f)[:500])


def test_every_candidate_is_dealt_once_with_its_length():
    x = points(9001, 5, 0) * np.linspace(1, 3, 9001, dtype=np.float32)[:, None]
    problem = build_problem(x, points(7, 5, 1))
    block, parts = chunk_rows(7), split(problem, 2)
    assert [part.n for part in parts] == [9001 - block, block]
    for rows in (slice(0, 9001), slice(block - 3, block + 5), slice(10, 10), slice(4000, 5000)):
        expected = np.concatenate([x[:block], x[2 * block :]])[rows]
        np.testing.assert_array_equal(parts[0].x[rows], expected)
    np.testing.assert_array_equal(parts[1].scale, problem.scale[block : 2 * block])
    (f, _), (f_whole, _) = (
        p(np.zeros(7), 0.1, 9001) for p in (ShardedPass(problem, [CpuPass(one) for one in parts]), CpuPass(problem))
    )
    np.testing.assert_array_equal(f, f_whole)


def test_there_are_no_more_parts_than_blocks():
    assert [part.n for part in split(build_problem(points(300, 5, 0), points(7, 5, 1)), 4)] == [300]


@pytest.mark.parametrize("make", [CpuPass, lambda p: GpuPass(p, torch.device("cpu"), 1)], ids=["CPU", "GPU's"])
def test_a_part_weighs_what_it_does_in_the_whole(make):
    tiles = make(build_problem(points(300, 5, 0), points(7, 5, 1)))
    assert tiles(np.zeros(7), 0.1, 100, n_total=400)[1].sum() == pytest.approx(0.25, rel=1e-6)
    assert tiles.low_precision(np.zeros(7), 0.1, 100, n_total=400).sum() == pytest.approx(0.25, rel=1e-3)
