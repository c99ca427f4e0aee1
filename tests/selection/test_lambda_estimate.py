import numpy as np
import pytest

from getmore_assets.selection.lambda_estimate import LossChanges, estimated_lambda


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("curvature", [0.2, 3.0])
def test_the_share_of_the_way_between_two_minima_is_found(share, curvature):
    one, other = np.array([0.0, 1.0, -2.0]), np.array([3.0, 0.5, 1.0])

    def loss(at, minimum, least):
        return least + curvature / 2 * ((at - minimum) ** 2).sum()

    moved = one + share * (other - one)
    pool, picks = ((loss(one, m, k), loss(moved, m, k)) for m, k in ((one, 3.0), (other, 4.0)))
    assert estimated_lambda(LossChanges(pool, picks, (5.0, 4.0))) == pytest.approx(share)


def test_what_says_nothing():
    assert estimated_lambda(LossChanges((4.0, 4.2), (5.0, 5.0), (5.0, 5.0))) == 0  # nothing was learnt
    assert estimated_lambda(LossChanges((4.0, 3.9), (5.0, 4.5), (5.0, 4.5))) == 1  # the base was not at its minimum
    assert estimated_lambda(LossChanges((4.0, 6.0), (5.0, 4.5), (5.0, 4.5))) == 1  # never above 1
