import numpy as np
import pytest

from getmore_assets.selection import neighbours
from tests.transport.problems import points

X, Y = points(300, 8, 0), points(7, 8, 1)


def by_hand(x, y, rows):
    """Round-robin as it is defined: in each turn the closest waiting pair first; one that was beaten waits."""
    similarity, taken, order = x @ y.T, set(), []
    while len(order) < rows:
        free = {
            t: max((r for r in range(len(x)) if r not in taken), key=lambda r: similarity[r, t]) for t in range(len(y))
        }
        for t in sorted(free, key=lambda t: -similarity[free[t], t]):
            if free[t] not in taken and len(order) < rows:
                taken.add(free[t])
                order.append(free[t])
    return order


@pytest.mark.parametrize("rows", [1, 7, 40, 300])
def test_round_robin_is_what_it_says(rows):
    assert neighbours.round_robin(X, Y, np.ones(300), rows, 64).tolist() == by_hand(X, Y, rows)


def test_round_robin_looks_further_where_targets_share_their_neighbours(monkeypatch):
    monkeypatch.setattr(neighbours, "_FIRST", 2)
    monkeypatch.setattr(neighbours, "_BLOCK", 64)
    assert neighbours.round_robin(X, Y, np.ones(300), 120, 64).tolist() == by_hand(X, Y, 120)


def test_only_a_target_that_ran_out_looks_further_and_all_keep_to_the_memory(monkeypatch):
    """Six targets are near one another, and take their neighbours away; the seventh has the rest for itself."""
    y = np.concatenate([Y[:1] + 0.1 * points(6, 8, 5), -Y[:1]])
    asked, nearest = [], neighbours.nearest

    def looked(x, y, k, memory_mb, taken):
        asked.append((len(y), k))
        return nearest(x, y, k, memory_mb, taken)

    monkeypatch.setattr(neighbours, "nearest", looked)
    monkeypatch.setattr(neighbours, "_FIRST", 8)
    monkeypatch.setattr(neighbours, "_ENTRY", 2**20 // 4 // 7 // 20)  # so that a MiB holds 20 for each
    assert neighbours.round_robin(X, y, np.ones(300), 200, 1).tolist() == by_hand(X, y, 200)
    assert asked[0] == (7, 8)
    assert 6 in {targets for targets, _ in asked[1:]}
    assert max(k for _, k in asked) == 20


def test_many_targets_are_looked_after_tile_by_tile():
    class Counted:
        shape, reads = X.shape, 0

        def __getitem__(self, rows):
            self.reads += 1
            return X[rows]

    x, y = Counted(), points(100, 8, 4)
    places, _ = neighbours.nearest(x, y, 5, 1)
    assert x.reads == 15  # a tile is of seven targets: their products with a block fill a quarter of a MiB
    assert places.tolist() == np.argsort(-(y @ X.T), axis=1)[:, :5].tolist()
    taken = np.zeros(300, bool)
    taken[places[:, 0]] = True
    left = np.flatnonzero(~taken)
    expected = left[np.argsort(-(y @ X[left].T), axis=1)[:, :5]]
    assert neighbours.nearest(X, y, 5, 64, taken)[0].tolist() == expected.tolist()
    np.testing.assert_allclose(neighbours.nearness(X, y, 1), -(X @ y.T).max(1), rtol=1e-5)


def test_round_robin_keeps_a_token_budget():
    tokens = np.random.default_rng(3).integers(1, 30, 300).astype(float)
    order = neighbours.round_robin(X, Y, tokens, 500, 64)
    assert 500 - 30 <= tokens[order].sum() <= 500


def test_nearness(monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", 64)
    np.testing.assert_allclose(neighbours.nearness(X, Y, 64), -(X @ Y.T).max(1), rtol=1e-5)
    b = np.array([0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    mean = b @ Y
    np.testing.assert_allclose(neighbours.nearness_to_mean(X, Y, b), -(X @ mean) / np.linalg.norm(mean), rtol=1e-4)


def test_the_nearest_are_the_nearest():
    places, similarity = neighbours.nearest(X, Y, 5, 64)
    expected = np.argsort(-(Y @ X.T), axis=1)[:, :5]
    assert places.tolist() == expected.tolist()
    np.testing.assert_allclose(similarity, np.take_along_axis(Y @ X.T, expected, 1), rtol=1e-5)
