import numpy as np

from getmore_assets.transport.anderson import Anderson


def test_a_linear_map_is_solved_in_as_many_steps_as_it_has_dimensions():
    rng = np.random.default_rng(0)
    matrix = 0.9 * np.linalg.qr(rng.normal(size=(5, 5)))[0] * rng.uniform(0.1, 1, 5)
    fixed = rng.normal(size=5)
    point, anderson = np.zeros(5), Anderson()
    for _ in range(7):
        residual = matrix @ (point - fixed) + fixed - point
        point = anderson.next(point, residual, float(np.abs(residual).sum()), np.ones(5))
    np.testing.assert_allclose(point, fixed, atol=1e-4)


def test_it_goes_back_to_the_best_point_when_the_error_runs_away():
    anderson, weight = Anderson(), np.ones(2)
    best, residual = np.array([1.0, 2.0]), np.array([0.1, 0.1])
    anderson.next(best, residual, 0.2, weight)
    for error in (7.0, np.nan):
        np.testing.assert_array_equal(anderson.next(best + 7, residual * 9, error, weight), best + residual)


def test_it_survives_a_file(tmp_path):
    anderson = Anderson()
    for k in range(4):
        point = np.arange(3.0) + k
        anderson.next(point, np.sin(point), 1.0 / (k + 1), np.ones(3))
    np.savez(tmp_path / "a.npz", **anderson.arrays())
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        again = Anderson.of(dict(stored))
    arguments = np.ones(3), np.full(3, 0.2), 0.1, np.ones(3)
    np.testing.assert_array_equal(anderson.next(*arguments), again.next(*arguments))
    assert Anderson.of(Anderson().arrays()).best is None
