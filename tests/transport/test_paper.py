import numpy as np
import pytest

from getmore_assets.transport.paper import solve_as_published
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import NotConvergedError
from tests.transport.problems import centred, costs, points, solved


def published(x, y, epsilon, momentum, threshold):
    """OTT-JAX's loop as its source has it, on a dense matrix: potentials carry the weights; f is the target's."""
    matrix = costs(x, y, "sqeuclidean").T
    log_a, log_b = np.full(len(y), -np.log(len(y))), np.full(len(x), -np.log(len(x)))
    f, g = np.zeros(len(y)), np.zeros(len(x))

    def soft(values, axis):
        top = values.max(axis=axis, keepdims=True)
        return np.log(np.exp(values - top).sum(axis=axis)) + top.squeeze(axis)

    for iteration in range(1, 2000):
        g = (1 - momentum) * g + momentum * epsilon * (log_b - soft((f[:, None] - matrix) / epsilon, 0))
        f = (1 - momentum) * f + momentum * epsilon * (log_a - soft((g[None] - matrix) / epsilon, 1))
        plan = np.exp((f[:, None] + g[None] - matrix) / epsilon)
        if np.abs(plan.sum(0) - 1 / len(x)).sum() <= threshold:
            return g, iteration
    raise AssertionError


@pytest.mark.parametrize(("momentum", "threshold"), [(1.3, 0.1), (1.0, 0.01), (1.2, 0.05)])
def test_it_is_the_published_loop(momentum, threshold):
    x, y = points(300, 6, 0) * np.float32(1.5), points(25, 6, 1, 0.4)
    problem = build_problem(x, y, cost="sqeuclidean")
    found = solve_as_published(CpuPass(problem), 0.1, momentum=momentum, threshold=threshold)
    g, iterations = published(x, y, 0.1, momentum, threshold)
    assert len(found.history) == iterations
    np.testing.assert_allclose(centred(found.f), centred(g), atol=1e-5)


def test_converged_it_agrees_with_the_solver():
    x, y = points(300, 6, 0), points(25, 6, 1, 0.4)
    problem = build_problem(x, y)
    found = solve_as_published(CpuPass(problem), 0.1 * problem.mean_cost, momentum=1.0, threshold=1e-5)
    np.testing.assert_allclose(centred(found.f), centred(solved(x, y, tolerance=1e-6).f), atol=1e-4)


def test_it_says_when_it_does_not_converge():
    with pytest.raises(NotConvergedError, match=r"transport\.max_passes"):
        solve_as_published(
            CpuPass(build_problem(points(300, 6, 0), points(25, 6, 1))), 0.01, threshold=1e-4, max_passes=5
        )
