import numpy as np
import pytest

from getmore_assets.selection.plan_rows import nearest_targets


def test_nearest_targets_are_where_the_plan_sends_most():
    y = np.eye(3, dtype=np.float32)
    x = np.array([[0.8, 0.6, 0.0]], np.float32)
    b = np.full(3, 1 / 3)
    assert nearest_targets(x, y, np.zeros(3), b, 0.1, 2)[0].tolist() == [[0, 1]]
    assert nearest_targets(x, y, np.array([0.0, 2.0, 0.0]), b, 0.1, 9)[0].tolist() == [[1, 0, 2]]


def test_shares_are_those_of_a_rows_whole_mass():
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(n, 8)).astype(np.float32) for n in (5, 30))
    x, y = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (x, y))
    g, b = rng.normal(size=30) * 0.1, np.append(rng.dirichlet(np.ones(29)), 0.0)
    with np.errstate(divide="ignore"):
        plan = np.exp((2 * x.astype(float) @ y.T + g) / 0.1 + np.log(b))
    plan /= plan.sum(1, keepdims=True)
    places, shares = nearest_targets(x, y, g, b, 0.1, 4)
    assert places.tolist() == np.argsort(-plan, axis=1)[:, :4].tolist()
    assert shares == pytest.approx(np.take_along_axis(plan, places, 1), rel=1e-4)
