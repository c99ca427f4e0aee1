import numpy as np
import pytest
from scipy.optimize import linprog

from getmore_assets.errors import BadInput
from getmore_assets.transport.exact import SAMPLE, costs, moved_by_epsilon, require_exact_room, solve_exactly
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.stability import SHARES
from tests.transport.problems import costs as by_definition
from tests.transport.problems import points, solved, weights


@pytest.mark.parametrize("cost", ["unit", "cosine", "sqeuclidean"])
def test_it_is_the_optimum_of_the_linear_program(cost):
    x, y, a, b = points(40, 5, 0) * np.float32(1.4), points(12, 5, 1), weights(40, 2), weights(12, 3)
    problem, matrix = build_problem(x, y, b, a, cost), by_definition(x, y, cost)
    np.testing.assert_allclose(costs(problem), matrix, atol=1e-6)
    rows, columns = np.kron(np.eye(40), np.ones(12)), np.kron(np.ones(40), np.eye(12))
    found = linprog(matrix.ravel(), A_eq=np.concatenate([rows, columns]), b_eq=np.concatenate([a, b]))
    solution = solve_exactly(problem)
    assert solution.dual == pytest.approx(found.fun, abs=1e-6)
    assert solution.gap < 1e-6
    assert solution.error < 1e-9
    assert (solution.f[:, None] + solution.g <= matrix + 1e-6).all()
    assert b @ solution.g == pytest.approx(0, abs=1e-12)


def test_entropic_potentials_come_near_the_exact_ones_as_epsilon_falls():
    x, y = points(300, 8, 0, 0.2), points(60, 8, 1)
    exact = solve_exactly(build_problem(x, y))
    far, near = (solved(x, y, relative=relative, tolerance=1e-4, max_passes=3000) for relative in (0.1, 0.005))
    off = [np.abs((one.f - one.f.mean()) - (exact.f - exact.f.mean())).mean() for one in (far, near)]
    assert off[1] < off[0] / 3
    assert exact.dual < near.dual < far.dual


def test_a_target_without_weight_is_left_out():
    x, y, b = points(30, 5, 0), points(6, 5, 1), np.array([1, 1, 1, 1, 1, 0.0])
    all_of_it, without = solve_exactly(build_problem(x, y, b)), solve_exactly(build_problem(x, y[:5]))
    assert all_of_it.dual == pytest.approx(without.dual, abs=1e-6)
    assert (all_of_it.g[-1], all_of_it.marginal[-1]) == (0, 0)
    assert np.isfinite(all_of_it.f).all()


def test_what_is_too_large_is_refused_with_what_to_do():
    assert require_exact_room(8000, 3000, 1024) == pytest.approx(40 * 8000 * 3000 / 2**20)
    with pytest.raises(BadInput, match=r"133,585 candidates against 4,135 targets.*at most 100,000,000") as refused:
        require_exact_room(133_585, 4135, 10**6)
    assert "semi-dual" in refused.value.fix
    with pytest.raises(BadInput, match=r"take 3,433 MiB; the limit is 1024") as refused:
        require_exact_room(30_000, 3000, 1024)
    assert "Set it to 3434" in refused.value.fix
    assert require_exact_room(30_000, 3000, 3434)


def test_how_far_epsilon_moves_a_choice_is_told_on_a_sample():
    x, y = points(3000, 8, 0, 0.2), points(50, 8, 1)
    problem = build_problem(x, y)
    wide, narrow = (moved_by_epsilon(problem, ratio * problem.mean_cost, 64) for ratio in (0.5, 0.01))
    for found in (wide, narrow):
        assert (found.candidates, found.targets) == (SAMPLE, 50)
        assert [one["share"] for one in found.jaccard] == list(SHARES)
        assert 0 < found.exact_cost < found.entropic_cost
    last = [found.jaccard[-1]["jaccard"] for found in (wide, narrow)]
    assert last[0] < last[1] <= 1
    assert last[1] > 0.8


def test_a_sample_of_many_targets_is_of_the_first(monkeypatch):
    from getmore_assets.transport import exact

    monkeypatch.setattr(exact, "_SAMPLE_TARGETS", 20)
    problem = build_problem(points(100, 8, 0), points(50, 8, 1), weights(50, 2))
    assert moved_by_epsilon(problem, 0.05 * problem.mean_cost, 64).targets == 20
