"""Tests of paired differences, against SciPy's and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from getmore_assets.reporting.p_values import holm, p_equivalence, p_value, smallest_shown


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.2, 3.0])
def test_p_is_that_of_a_t_test(shift):
    found = np.random.default_rng(0).normal(shift, 1, 6).tolist()
    assert p_value(found) == pytest.approx(stats.ttest_1samp(found, 0).pvalue)


def test_equivalence_is_two_one_sided_tests():
    found = np.random.default_rng(1).normal(0.1, 0.3, 8).tolist()
    lower = stats.ttest_1samp(found, -0.5, alternative="greater").pvalue
    upper = stats.ttest_1samp(found, 0.5, alternative="less").pvalue
    assert p_equivalence(found, 0.5) == pytest.approx(max(lower, upper))
    assert p_equivalence(found, 0.5) < 0.05 < p_equivalence(found, 0.15)


def test_holm_multiplies_by_the_tests_that_are_left_and_never_falls():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": math.nan}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": math.nan}, nan_ok=True
    )
    assert holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}


def test_differences_that_are_equal_to_the_digit_are_told_by_their_sign():
    assert p_value([0.0, 0.0, 0.0]) == 1.0
    assert p_value([2.0, 2.0, 2.0]) == 0.0
    assert p_equivalence([0.0, 0.0], 0.01) == 0.0
    assert math.isnan(p_value([1.0]))
    assert math.isnan(smallest_shown([1.0]))


def test_a_mean_of_the_smallest_size_is_shown_four_times_in_five():
    rng = np.random.default_rng(2)
    spread = rng.normal(0, 1, 8)
    size = smallest_shown(spread.tolist()) / np.std(spread, ddof=1)  # in standard deviations
    shown = np.mean([p_value((size + rng.normal(0, 1, 8)).tolist()) < 0.05 for _ in range(600)])
    assert 0.7 < shown < 0.9
