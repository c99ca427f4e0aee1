import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from getmore_assets.selection.gradient import calibrated_gradient, nearest_targets

potentials = arrays(np.float64, st.integers(2, 50), elements=st.floats(-5, 5, width=32))


@given(potentials, st.floats(-3, 3, width=32))
def test_a_constant_changes_nothing_and_scores_sum_to_nothing(f, shift):
    scores = calibrated_gradient(f)
    np.testing.assert_allclose(calibrated_gradient(f + shift), scores, atol=1e-9)
    assert abs(scores.sum()) < 1e-6


@given(potentials)
def test_each_score_is_the_potential_less_the_mean_of_the_others(f):
    expected = [f[i] - np.delete(f, i).mean() for i in range(len(f))]
    np.testing.assert_allclose(calibrated_gradient(f), expected, atol=1e-9)


def test_one_candidate_has_no_gradient():
    assert calibrated_gradient(np.array([3.0])).tolist() == [0.0]


def test_nearest_targets_are_where_the_plan_sends_most():
    y = np.eye(3, dtype=np.float32)
    x = np.array([[0.8, 0.6, 0.0]], np.float32)
    b = np.full(3, 1 / 3)
    assert nearest_targets(x, y, np.zeros(3), b, 0.1, 2).tolist() == [[0, 1]]
    assert nearest_targets(x, y, np.array([0.0, 2.0, 0.0]), b, 0.1, 9).tolist() == [[1, 0, 2]]
