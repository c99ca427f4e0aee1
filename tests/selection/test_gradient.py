import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from getmore_assets.selection.gradient import calibrated_gradient

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
