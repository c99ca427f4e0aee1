"""Vectors and potentials of what is in memory."""

import numpy as np
import pytest
from scipy.special import logsumexp

from getmore_assets import embed, solve
from getmore_assets.errors import BadInput


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_texts_become_vectors_of_unit_length():
    texts = [f"a text about {word} and more of {word}" for word in ("trees", "rivers", "stones", "birds", "winds")] * 9
    vectors = embed(texts, dimensions=4)
    assert vectors.shape == (45, 4)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    with pytest.raises(BadInput, match=r"encoder\.dimension: unknown key"):
        embed(texts, dimension=4)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_potentials_fulfil_both_marginals(weighted):
    draw = np.random.default_rng(0)
    x, y = unit(draw.normal(size=(400, 8))), unit(draw.normal(size=(30, 8)))
    weights = draw.random(30) if weighted else None
    found = solve(x, y, weights=weights, tolerance=1e-4)
    b = np.full(30, 1 / 30) if weights is None else weights / weights.sum()
    cost = 2 - 2 * x.astype(np.float64) @ y.T
    plan = np.exp((found.f[:, None] + found.g[None] - cost) / found.epsilon) * b[None] / 400
    assert np.abs(plan.sum(0) - b).sum() < 1e-3
    assert np.allclose(plan.sum(1), 1 / 400, atol=1e-6)
    assert np.allclose(
        found.f, -found.epsilon * logsumexp((found.g[None] - cost) / found.epsilon, axis=1, b=b[None]), atol=1e-4
    )
