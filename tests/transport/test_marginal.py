import numpy as np
import pytest

from getmore_assets.transport.marginal import TargetMarginal
from tests.transport.problems import weights


@pytest.mark.parametrize("relaxation", [None, 0.2])
def test_the_residual_vanishes_where_the_error_does(relaxation):
    b, g = weights(20, 0), np.random.default_rng(1).normal(size=20) * 0.1
    marginal = TargetMarginal(b, relaxation)
    if relaxation:
        g += relaxation * np.log(b @ np.exp(-g / relaxation))  # the shift at which the wanted marginal sums to 1
    wanted = b if relaxation is None else b * np.exp(-g / relaxation)
    assert marginal.error(g, wanted) == 0
    np.testing.assert_allclose(marginal.residual(g, wanted, 0.1), 0, atol=1e-12)
    assert np.abs(marginal.residual(g, np.roll(wanted, 1), 0.1)).max() > 0.01
    assert marginal.error(g, np.roll(wanted, 1)) > 0.01
    dual, primal = marginal.values(1.0, g, wanted)
    assert dual == pytest.approx(primal)


def test_a_target_without_weight_stays_where_it_is():
    b = np.array([0.5, 0.0, 0.5])
    for relaxation in (None, 0.2):
        residual = TargetMarginal(b, relaxation).residual(np.zeros(3), np.array([0.7, 0.0, 0.3]), 0.1)
        assert residual[1] == 0
        assert np.isfinite(residual).all()
