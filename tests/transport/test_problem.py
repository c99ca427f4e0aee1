import numpy as np
import pytest

from getmore_assets.transport.problem import BadVectorError, build_problem
from tests.transport.problems import costs, points, weights


@pytest.mark.parametrize("cost", ["unit", "cosine", "sqeuclidean"])
def test_the_parts_of_a_cost_make_the_cost(cost):
    x, y = points(30, 5, 0) * np.float32(3), points(7, 5, 1) * np.float32(2)
    a, b = weights(30, 2), weights(7, 3)
    problem = build_problem(x, y, b, a, cost)
    x_hat, u = problem.block(0, 30)
    made = np.broadcast_to(u, 30)[:, None] + problem.v - problem.kappa * x_hat.astype(np.float64) @ problem.y.T
    np.testing.assert_allclose(made, costs(x, y, cost), atol=1e-5)
    assert problem.mean_cost == pytest.approx(a @ costs(x, y, cost) @ b, abs=1e-5)


@pytest.mark.parametrize("side", ["candidate", "target"])
@pytest.mark.parametrize(
    ("value", "what"), [(np.nan, "NaN or infinity"), (np.inf, "NaN or infinity"), (0.0, "all zero")]
)
def test_a_vector_that_cannot_be_used_is_named(side, value, what):
    x, y = points(9000, 5, 0), points(40, 5, 1)
    (x if side == "candidate" else y)[17] = value
    x[8999] = value
    with pytest.raises(BadVectorError, match=f"{side} 17 .*{what}") as raised:
        build_problem(x, y)
    assert (raised.value.side, raised.value.row) == (side, 17)


def test_zero_and_long_vectors_where_the_cost_is_a_distance():
    x, y = points(10, 5, 0), points(4, 5, 1)
    x[3] = 0
    assert build_problem(x, y, cost="sqeuclidean").mean_cost > 0
    x[5] = 1e19
    with pytest.raises(BadVectorError, match="candidate 5 is too long"):
        build_problem(x, y, cost="sqeuclidean")


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_weight_that_cannot_be_used_is_named(value):
    b = np.ones(4)
    b[2] = value
    with pytest.raises(BadVectorError, match="target 2 has weight"):
        build_problem(points(10, 5, 0), points(4, 5, 1), b)
    with pytest.raises(ValueError, match="weigh nothing"):
        build_problem(points(10, 5, 0), points(4, 5, 1), np.zeros(4))
    with pytest.raises(ValueError, match="3 weights for 4 targets"):
        build_problem(points(10, 5, 0), points(4, 5, 1), np.ones(3))


def test_shapes_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="shape"):
        build_problem(points(10, 5, 0), points(4, 6, 1))
    with pytest.raises(ValueError, match="shape"):
        build_problem(points(10, 5, 0)[:0], points(4, 5, 1))


def test_the_problem_of_the_first_rows_is_that_of_the_first_rows():
    x, y, a = points(30, 5, 0), points(7, 5, 1), weights(30, 2)
    part = build_problem(x, y, a=a).only(12)
    assert part.n == 12
    assert part.a is not None
    assert part.a.sum() == pytest.approx(1)
    np.testing.assert_array_equal(part.x, x[:12])
