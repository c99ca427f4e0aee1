import numpy as np
import ot
import pytest

from getmore_assets.selection.gradient import calibrated_gradient
from getmore_assets.transport import solver
from getmore_assets.transport.solver import NotConvergedError, solve
from getmore_assets.transport.tiles import DenseTiles, mean_cost


def points(n: int, d: int, seed: int, shift: float = 0.0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, d)) + shift
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def cost(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 2 - 2 * x.astype(np.float64) @ y.astype(np.float64).T


def solved(x, y, b, relative, **options):
    unit = mean_cost(x, y, b)
    return solve(DenseTiles(x, y, b, 1), len(x), b, relative * unit, unit, **options)


@pytest.fixture
def problem():
    x, y = points(600, 8, 0), points(40, 8, 1, 0.5)
    b = np.random.default_rng(2).uniform(0.5, 1.5, 40)
    return x, y, b / b.sum()


@pytest.mark.parametrize("relative", [0.5, 0.05, 0.02])
def test_potentials_are_those_of_pot_up_to_a_constant(problem, relative):
    x, y, b = problem
    found = solved(x, y, b, relative, tolerance=1e-6, max_passes=3000)
    a = np.full(len(x), 1 / len(x))
    _, log = ot.bregman.sinkhorn_log(a, b, cost(x, y), found.epsilon, numItermax=50000, stopThr=1e-11, log=True)
    theirs = log["log_u"] * found.epsilon - found.epsilon * np.log(a)
    assert np.ptp(found.f - theirs) < 1e-4
    assert found.error <= 1e-6


def test_small_epsilon_gives_the_exact_duals_and_cost():
    x, y = points(60, 3, 3), points(12, 3, 4)
    b = np.full(12, 1 / 12)
    found = solved(x, y, b, 0.002, tolerance=1e-5, max_passes=20000)
    a = np.full(60, 1 / 60)
    _plan, log = ot.emd(a, b, cost(x, y), log=True)
    assert found.dual == pytest.approx(log["cost"], abs=0.02)
    slack = cost(x, y) - log["u"][:, None] - log["v"][None, :]
    assert slack.min() > -1e-9
    mine = calibrated_gradient(found.f)
    exact = calibrated_gradient(log["u"])
    assert np.corrcoef(mine, exact)[0, 1] > 0.98


@pytest.mark.parametrize("relative", [0.5, 0.1, 0.02])
def test_the_scarce_half_of_the_target_is_all_that_is_picked(relative):
    """The paper's figure 3: pool 99 % cats, target half dogs; what pulls the mix there is dogs only."""
    rng = np.random.default_rng(0)
    cat, dog = np.eye(16)[0] * 8, np.eye(16)[1] * 8
    raw = np.concatenate([cat + rng.normal(size=(4950, 16)), dog + rng.normal(size=(50, 16))])
    order = rng.permutation(5000)
    x = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)[order]
    dogs = order >= 4950
    raw = np.concatenate([cat + rng.normal(size=(100, 16)), dog + rng.normal(size=(100, 16))])
    y = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    found = solved(x, y, np.full(200, 1 / 200), relative)
    assert dogs[np.argsort(calibrated_gradient(found.f))[:50]].all()


def test_tiles_do_not_change_the_result(problem):
    x, y, b = problem
    whole = DenseTiles(x, y, b, 64)
    small = DenseTiles(x, y, b, 64)
    small.rows = 7
    g = np.random.default_rng(5).normal(size=40) * 0.1
    f, col = whole(g, 0.1, 600)
    f_small, col_small = small(g, 0.1, 600)
    np.testing.assert_allclose(f, f_small, atol=1e-6)
    np.testing.assert_allclose(col, col_small, atol=1e-6)


def test_a_repeated_target_weighs_like_its_weight(problem):
    x, y, _ = problem
    b = np.full(40, 1 / 41)
    b[0] = 2 / 41
    repeated = np.concatenate([y, y[:1]])
    one = solved(x, y, b, 0.1, tolerance=1e-6)
    two = solved(x, repeated, np.full(41, 1 / 41), 0.1, tolerance=1e-6)
    np.testing.assert_allclose(one.f - one.f.mean(), two.f - two.f.mean(), atol=2e-5)


def test_the_order_of_candidates_does_not_matter(problem):
    x, y, b = problem
    order = np.random.default_rng(6).permutation(len(x))
    one, two = (solved(points_, y, b, 0.1, tolerance=1e-6) for points_ in (x, x[order]))
    np.testing.assert_allclose(one.f[order], two.f, atol=2e-5)


def test_a_solve_that_does_not_converge_is_an_error(problem):
    with pytest.raises(NotConvergedError, match=r"transport\.epsilon"):
        solved(*problem, 0.001, tolerance=1e-6, max_passes=2)


def test_a_solve_goes_on_exactly_where_it_stopped(problem, tmp_path, monkeypatch):
    monkeypatch.setattr(solver, "_SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(solver, "FIRST_SAMPLE", 64)
    whole = solved(*problem, 0.02, tolerance=1e-5, max_passes=2000)
    x, y, b = problem
    unit, tiles, passes = mean_cost(x, y, b), DenseTiles(x, y, b, 1), 0

    def killed(g, epsilon, n):
        nonlocal passes
        passes += 1
        if passes == len(whole.history) // 2:
            raise KeyboardInterrupt
        return tiles(g, epsilon, n)

    state = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        solve(killed, len(x), b, 0.02 * unit, unit, tolerance=1e-5, max_passes=2000, state=state)
    again = solve(tiles, len(x), b, 0.02 * unit, unit, tolerance=1e-5, max_passes=2000, state=state)
    assert np.array_equal(again.f, whole.f)
    assert again.history == whole.history


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3.0])
def test_vectors_that_are_not_of_unit_length_are_refused(problem, bad):
    x, y, b = problem
    x = x.copy()
    x[17, 0] = bad
    with pytest.raises(ValueError, match="candidate vector 17"):
        DenseTiles(x, y, b, 1)


def test_weights_must_be_a_distribution(problem):
    x, y, b = problem
    with pytest.raises(ValueError, match="weights"):
        DenseTiles(x, y, np.where(np.arange(40) == 3, 0, b), 1)


def test_the_mean_cost_is_the_mean_cost(problem):
    x, y, b = problem
    assert mean_cost(x, y, b, 100) == pytest.approx(float((cost(x, y) @ b).mean()), abs=1e-6)
