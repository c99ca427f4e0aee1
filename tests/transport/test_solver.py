import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from getmore_assets.selection.gradient import calibrated_gradient
from getmore_assets.transport import solver
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.rows import NpyFile
from getmore_assets.transport.solver import NotConvergedError, solve
from tests.transport.problems import centred, costs, points, solved, weights


@pytest.fixture
def problem():
    return points(600, 8, 0), points(40, 8, 1, 0.5), weights(40, 2)


@pytest.mark.parametrize("cost", ["unit", "cosine", "sqeuclidean"])
@pytest.mark.parametrize("relative", [0.5, 0.05, 0.02])
def test_potentials_are_those_of_pot_up_to_a_constant(problem, relative, cost):
    x, y, b = problem
    if cost != "unit":
        x = x * np.random.default_rng(3).uniform(0.5, 2, (600, 1)).astype(np.float32)
    a = weights(600, 4)
    found = solved(x, y, b, relative, a, cost, tolerance=1e-6, max_passes=5000)
    matrix = costs(x, y, cost)
    _, log = ot.bregman.sinkhorn_log(a, b, matrix, found.epsilon, numItermax=100_000, stopThr=1e-11, log=True)
    theirs = log["log_u"] * found.epsilon - found.epsilon * np.log(a)
    assert np.ptp(found.f - theirs) < 1e-4
    assert found.error <= 1e-6
    assert found.gap < 1e-5
    # The dual's value is the primal's: transport plus ε times the divergence from a ⊗ b.
    plan = a[:, None] * b * np.exp((found.f[:, None] + found.g - matrix) / found.epsilon)
    primal = (plan * matrix).sum() + found.epsilon * (plan * np.log(plan / (a[:, None] * b))).sum()
    assert found.dual == pytest.approx(primal, abs=1e-4)


def test_small_epsilon_gives_the_exact_duals_and_cost():
    x, y = points(60, 3, 3), points(12, 3, 4)
    found = solved(x, y, relative=0.002, tolerance=1e-5, max_passes=20000)
    a, b = np.full(60, 1 / 60), np.full(12, 1 / 12)
    _plan, log = ot.emd(a, b, costs(x, y), log=True)
    assert found.dual == pytest.approx(log["cost"], abs=0.02)
    assert (costs(x, y) - log["u"][:, None] - log["v"][None, :]).min() > -1e-9
    assert np.corrcoef(calibrated_gradient(found.f), calibrated_gradient(log["u"]))[0, 1] > 0.98


@pytest.mark.parametrize("relative", [2.0, 0.5, 0.1, 0.02])
def test_the_scarce_half_of_the_target_is_all_that_is_picked(relative):
    """The paper's figure 3: pool 99 % cats, target half dogs; what pulls the mix there is dogs only."""
    rng = np.random.default_rng(0)
    cat, dog = np.eye(16)[0] * 8, np.eye(16)[1] * 8
    raw = np.concatenate([cat + rng.normal(size=(4950, 16)), dog + rng.normal(size=(50, 16))])
    order = rng.permutation(5000)
    dogs = order >= 4950
    y = np.concatenate([cat + rng.normal(size=(100, 16)), dog + rng.normal(size=(100, 16))])
    found = solved(raw[order].astype(np.float32), y.astype(np.float32), relative=relative)
    assert dogs[np.argsort(calibrated_gradient(found.f))[:50]].all()


def test_a_repeated_target_weighs_like_its_weight(problem):
    x, y, _ = problem
    b = np.full(40, 1 / 41)
    b[0] = 2 / 41
    one = solved(x, y, b, tolerance=1e-6)
    two = solved(x, np.concatenate([y, y[:1]]), tolerance=1e-6)
    np.testing.assert_allclose(centred(one.f), centred(two.f), atol=2e-5)


@settings(max_examples=15, deadline=None)
@given(row=st.integers(0, 199), copies=st.integers(2, 4))
def test_a_repeated_candidate_weighs_like_its_weight_and_moves_no_other(row, copies):
    x, y = points(200, 6, 7), points(20, 6, 8, 0.4)
    a = np.ones(200)
    a[row] = copies
    weighted = solved(x, y, a=a, tolerance=1e-6)
    repeated = solved(np.concatenate([x, np.repeat(x[row : row + 1], copies - 1, 0)]), y, tolerance=1e-6)
    np.testing.assert_allclose(weighted.f, repeated.f[:200], atol=2e-5)
    np.testing.assert_allclose(repeated.f[200:], repeated.f[row], atol=1e-6)
    # Two rows of half the weight each are the row: what is split changes nothing else.
    halves = np.ones(201)
    halves[[row, 200]] = 0.5
    split = solved(np.concatenate([x, x[row : row + 1]]), y, a=halves, tolerance=1e-6)
    np.testing.assert_allclose(split.f[:200], solved(x, y, tolerance=1e-6).f, atol=2e-5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(seed):
    x, y, rng = points(300, 6, 9), points(25, 6, 10, 0.4), np.random.default_rng(seed)
    rows, columns = rng.permutation(300), rng.permutation(25)
    one, two = solved(x, y, tolerance=1e-6), solved(x[rows], y[columns], tolerance=1e-6)
    np.testing.assert_allclose(one.f[rows], two.f, atol=2e-5)
    np.testing.assert_allclose(one.g[columns], two.g, atol=2e-4)


def test_the_same_rows_come_first_at_any_tile_size_and_thread_count():
    problem = build_problem(points(20_000, 24, 11), points(90, 24, 12, 0.3))
    firsts = {
        frozenset(np.argsort(solve(CpuPass(problem, threads, rows), 0.05 * problem.mean_cost).f, kind="stable")[:1000])
        for threads, rows in ((1, None), (2, None), (5, 16), (2, 112), (1, 1024))
    }
    assert len(firsts) == 1


def test_any_number_of_threads_gives_the_same_bits(problem):
    posed = build_problem(*problem)
    one, two = (solve(CpuPass(posed, threads), 0.05 * posed.mean_cost) for threads in (1, 3))
    assert np.array_equal(one.f, two.f)
    assert np.array_equal(one.g, two.g)


def test_a_solve_that_does_not_converge_is_an_error(problem):
    with pytest.raises(NotConvergedError, match=r"transport\.epsilon"):
        solved(*problem, 0.001, tolerance=1e-6, max_passes=2)


def test_the_error_that_is_returned_is_that_of_the_plan_in_float64(problem):
    x, y, b = problem
    found = solved(x, y, b, 0.02, tolerance=1e-4)
    plan = b * np.exp((found.f[:, None] + found.g - costs(x, y)) / found.epsilon) / len(x)
    assert np.abs(plan.sum(0) - b).sum() == pytest.approx(found.error, abs=2e-5)
    np.testing.assert_allclose(plan.sum(1) * len(x), 1, atol=1e-3)


def test_a_solve_goes_on_exactly_where_it_stopped(problem, tmp_path, monkeypatch):
    monkeypatch.setattr(solver, "_SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(solver, "FIRST_SAMPLE", 64)
    posed = build_problem(*problem)
    tiles, epsilon, passes = CpuPass(posed), 0.02 * posed.mean_cost, 0
    whole = solve(tiles, epsilon, tolerance=1e-5, max_passes=2000)

    class Killed:
        problem = posed

        def __call__(self, *arguments):
            return self.counted(tiles, *arguments)

        def low_precision(self, *arguments):
            return self.counted(tiles.low_precision, *arguments)

        def counted(self, sweep, *arguments):
            nonlocal passes
            passes += 1
            if passes == len(whole.history) // 2:
                raise KeyboardInterrupt
            return sweep(*arguments)

    state = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        solve(Killed(), epsilon, tolerance=1e-5, max_passes=2000, state=state)
    again = solve(tiles, epsilon, tolerance=1e-5, max_passes=2000, state=state)
    assert np.array_equal(again.f, whole.f)
    assert again.history == whole.history


def test_rough_passes_come_before_precise_ones_and_never_last():
    problem = build_problem(points(30_000, 24, 11), points(90, 24, 12, 0.3))
    tiles, made = CpuPass(problem), []

    class Watched:
        def __init__(self):
            self.problem = problem

        def __call__(self, *arguments):
            made.append(("precise", arguments[2]))
            return tiles(*arguments)

        def low_precision(self, *arguments):
            made.append(("rough", arguments[2]))
            return tiles.low_precision(*arguments)

    watched = Watched()
    found = solve(watched, 0.05 * problem.mean_cost)
    assert made[-1] == ("precise", 30_000)
    assert made[0][0] == "rough"
    assert {kind for kind, n in made if n < 30_000} == {"rough"}
    # Where ε is so small that a rough pass would say nothing, there is none.
    made.clear()
    solve(watched, 0.004 * problem.mean_cost, tolerance=0.05)
    assert {kind for kind, _ in made} == {"precise"}
    np.testing.assert_allclose(found.f, solve(tiles, found.epsilon, start=found.g).f, atol=1e-6)


def test_a_good_start_goes_straight_to_all_candidates_and_a_bad_one_does_not_harm(problem, monkeypatch):
    monkeypatch.setattr(solver, "FIRST_SAMPLE", 64)
    cold = solved(*problem, 0.05)
    warm = solved(*problem, 0.05, start=cold.g)
    assert [size for size, _, _ in warm.history] == [600]
    np.testing.assert_allclose(warm.f, cold.f, atol=1e-6)
    bad = solved(*problem, 0.05, start=np.random.default_rng(0).normal(size=40))
    assert bad.error <= 1e-3
    assert bad.history[1][0] == 64
    np.testing.assert_allclose(bad.f, cold.f, atol=2e-3)


def test_a_bad_start_on_few_candidates_is_gone_on_from(problem):
    x, y, b = problem
    bad = solved(x, y, b, 0.05, start=np.random.default_rng(0).normal(size=40))
    assert bad.history[0][2] > 0.5
    assert bad.error <= 1e-3


def test_candidates_may_be_an_array_a_map_a_tensor_or_a_file(problem, tmp_path):
    x, y, b = problem
    np.save(tmp_path / "x.npy", x)
    places = (x, np.load(tmp_path / "x.npy", mmap_mode="r"), torch.from_numpy(x), NpyFile(tmp_path / "x.npy"))
    found = [solved(place, y, b).f for place in places]
    assert all(np.array_equal(found[0], f) for f in found)


def test_a_relaxed_target_marginal_gives_up_an_outlier_and_is_that_of_pot():
    x, y = points(400, 8, 13, 0.6), points(30, 8, 14, 0.6)
    y[7] = -y.mean(0) / np.linalg.norm(y.mean(0))
    b = np.full(30, 1 / 30)
    exact = solved(x, y, b, tolerance=1e-6)
    relaxed = solved(x, y, b, relaxation=0.05, tolerance=1e-6, max_passes=3000)
    plan = b * np.exp((relaxed.f[:, None] + relaxed.g - costs(x, y)) / relaxed.epsilon) / 400
    np.testing.assert_allclose(plan.sum(1), 1 / 400, rtol=1e-3)  # candidates are not relaxed
    assert plan.sum(0)[7] < 0.15 * b[7]
    assert relaxed.dual < exact.dual
    # As a penalty on one side only: POT's unbalanced solver with an all but infinite penalty on the candidates.
    theirs = ot.unbalanced.sinkhorn_unbalanced(
        np.full(400, 1 / 400), b, costs(x, y), relaxed.epsilon, (1e6, 0.05), numItermax=200_000, stopThr=1e-12
    )
    np.testing.assert_allclose(plan.sum(0), theirs.sum(0), atol=2e-4)
    loose = solved(x, y, b, relaxation=1e4, tolerance=1e-6)
    np.testing.assert_allclose(centred(loose.f), centred(exact.f), atol=1e-4)


@pytest.mark.parametrize("relative", [1e-4, 10.0])
def test_extreme_epsilon_converges_or_says_that_it_did_not(problem, relative):
    try:
        found = solved(*problem, relative, tolerance=1e-2, max_passes=300)
    except NotConvergedError:
        assert relative < 1
    else:
        assert np.isfinite(found.f).all()
        assert found.error <= 1e-2


HOSTILE = {
    "one target": (points(50, 4, 1), points(1, 4, 2)),
    "one candidate": (points(1, 4, 1), points(9, 4, 2)),
    "more targets than candidates": (points(7, 4, 1), points(60, 4, 2)),
    "all the same": (np.ones((50, 4), np.float32), np.ones((8, 4), np.float32)),
    "long and short": (points(50, 4, 1) * np.float32(1e18), points(8, 4, 2) * np.float32(1e-18)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_points_are_solved(name):
    x, y = HOSTILE[name]
    problem = build_problem(x, y)
    found = solve(CpuPass(problem), max(0.1 * problem.mean_cost, 0.01), tolerance=1e-4, max_passes=3000)
    assert np.isfinite(found.f).all()
    assert found.error <= 1e-4


def test_weights_of_zero_are_solved_as_if_the_rows_were_not_there(problem):
    x, y, b = problem
    b, a = b.copy(), np.ones(600)
    b[[3, 11]], a[:100] = 0, 0
    found = solved(x, y, b, a=a, tolerance=1e-6)
    kept = np.delete(np.arange(40), [3, 11])
    relative = found.epsilon / build_problem(x[100:], y[kept], b[kept]).mean_cost
    without = solved(x[100:], y[kept], b[kept], relative, tolerance=1e-6)
    np.testing.assert_allclose(found.f[100:], without.f, atol=2e-5)
    assert np.isfinite(found.f).all()
    assert (found.g[[3, 11]] == 0).all()
