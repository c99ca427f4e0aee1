from dataclasses import replace

import numpy as np
import pytest

from getmore_assets.selection import rounds
from getmore_assets.selection.gradient import calibrated_gradient
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import NotConvergedError, solve
from tests.transport.problems import points, weights

SHARES = (0.70, 0.20, 0.08, 0.02)  # of four modes in the pool; the target holds a quarter of each
N, BUDGET = 40_000, 600


def modes(counts, seed):
    """Points around four directions that are far apart, and which direction each is of; in random order."""
    rng = np.random.default_rng(seed)
    mode = rng.permutation(np.repeat(np.arange(4), counts))
    x = np.eye(16)[mode] * 3 + rng.normal(size=(len(mode), 16)) * 0.25
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), mode


@pytest.fixture(scope="module")
def four():
    x, mode = modes([int(N * share) for share in SHARES], 0)
    y, _ = modes([60] * 4, 1)
    epsilon = 0.05 * build_problem(x, y).mean_cost
    return rounds.Plan(x, y, np.full(240, 1 / 240), np.ones(N), epsilon, None, 300, 256), mode


def served(mode, picks):
    return np.bincount(mode[picks], minlength=4) / len(picks)


def test_one_shot_leaves_a_mode_out_and_rounds_serve_every_mode_that_lacks(four):
    plan, mode = four
    one_shot = rounds.pick(plan, np.ones(N), BUDGET, 1, 0.9)
    # One round is the paper's choice.
    assert set(one_shot.order) == set(np.argsort(calibrated_gradient(one_shot.f), kind="stable")[:BUDGET])
    assert served(mode, one_shot.order)[2] == 0  # 8 % of the pool, 25 % of the target, and nothing of it
    assert served(mode, one_shot.order)[3] == 1
    several = rounds.pick(plan, np.ones(N), BUDGET, 8, 0.9)
    lacking = (0.25 - 0.1 * np.array(SHARES)) / 0.9  # what makes 0.9 D_U + 0.1 D_S the target
    assert (served(mode, several.order)[1:] > 0.4 * lacking[1:]).all(), served(mode, several.order)
    after = [plan.solve(picked.order, 0.9, None, 1e-3).dual for picked in (one_shot, several)]
    assert after[1] < 0.5 * after[0]
    assert len(several.costs) == 8
    assert several.costs[-1] < several.costs[0]


def test_a_budget_in_tokens_is_kept_and_a_pick_weighs_its_tokens(four):
    plan, _ = four
    tokens = np.random.default_rng(2).integers(5, 50, N).astype(float)
    heavy = replace(plan, n_tokens=tokens)
    picked = rounds.pick(heavy, tokens, 9000, 4, 0.9)
    assert 9000 - 50 <= tokens[picked.order].sum() <= 9000
    assert len(set(picked.order)) == len(picked.order)
    weights = heavy.weights(picked.order, 0.9)
    assert weights.sum() == pytest.approx(1)
    first, last = picked.order[0], picked.order[-1]
    grown = weights - 0.1 / N
    assert grown[first] / grown[last] == pytest.approx(tokens[first] / tokens[last])
    assert grown[np.setdiff1d(np.arange(N), picked.order)] == pytest.approx(0)


def test_damping_puts_copies_off(four):
    plan, _ = four
    lowest = rounds.pick(plan, np.ones(N), 1, 1, 1.0).order[0]
    x = np.array(plan.x)
    copies = np.flatnonzero(np.arange(N) % 400 == 7)
    x[copies] = x[lowest]
    copied = replace(plan, x=x)
    near = set(copies) | {lowest}
    plain = rounds.pick(copied, np.ones(N), 200, 1, 0.9).order
    damped = rounds.pick(copied, np.ones(N), 200, 1, 0.9, damping=0.999).order
    assert len(near & set(plain)) == len(near)
    assert len(near & set(damped)) == 1
    assert len(damped) == 200


@pytest.mark.parametrize("damping", [None, 0.9])
def test_a_row_is_picked_once_even_where_a_round_looks_at_all_that_are_left(damping):
    x, y = points(40, 4, 0), points(10, 4, 1, 0.5)
    x[15:] = x[15]  # so that what is left is alike, and what is taken is not
    plan = rounds.Plan(x, y, np.full(10, 0.1), np.ones(40), 0.05 * build_problem(x, y).mean_cost, None, 300, 256)
    order = rounds.pick(plan, np.ones(40), 20, 2, 0.9, damping=damping).order
    assert len(order) == len(set(order)) == 20


@pytest.mark.parametrize("damping", [0.2, 0.7])
def test_damping_takes_what_it_would_take_if_it_looked_at_every_row(monkeypatch, damping):
    monkeypatch.setattr(rounds, "_CONSIDERED", 100)
    x, price = points(300, 4, 5), np.random.default_rng(6).integers(1, 9, 300).astype(float)
    ranked = np.random.default_rng(7).permutation(300)[:250]
    kept, waits = [], []
    for row in ranked:
        near = any(float(x[row] @ x[other]) >= damping for other in kept)
        (waits if near else kept).append(row)
    affordable = np.cumsum(price[[*kept, *waits]]) <= 60
    found = rounds._in_turn(x, ranked, 60, price, damping)
    assert sorted(found) == sorted(ranked)
    assert found[: affordable.sum()].tolist() == np.array([*kept, *waits])[affordable].tolist()


def test_damping_stops_looking_where_the_kept_pay_for_the_round(monkeypatch):
    x, compared = points(5000, 4, 5), []

    class Counted(np.ndarray):
        def __matmul__(self, other):
            compared.append(len(self))
            return np.asarray(self) @ np.asarray(other)

    monkeypatch.setattr(rounds, "_rows", lambda x, rows: x[rows].view(Counted))
    rounds._in_turn(x, np.arange(5000), 100, np.ones(5000), 2.0)
    assert compared == list(range(1, 100))


def test_the_same_order_every_time_and_a_bonus_moves_it(four):
    plan, _ = four
    first = rounds.pick(plan, np.ones(N), 100, 3, 0.5).order
    assert first.tolist() == rounds.pick(plan, np.ones(N), 100, 3, 0.5).order.tolist()
    bonus = np.zeros(N)
    bonus[:50] = -100
    assert set(rounds.pick(plan, np.ones(N), 50, 1, 0.5, bonus=bonus).order) == set(range(50))


@pytest.fixture
def small():
    x, y, b = points(600, 8, 0), points(30, 8, 1, 0.5), weights(30, 2)
    return rounds.Plan(x, y, b, np.ones(600), 0.05 * build_problem(x, y, b).mean_cost, None, 300, 256)


def test_every_round_and_the_distance_allow_for_what_the_task_relaxes(small):
    relaxed = replace(small, relaxation=0.05)
    picks = np.arange(50)
    problem = build_problem(small.x, small.y, small.b, relaxed.weights(picks, 0.5))
    expected = solve(CpuPass(problem), small.epsilon, relaxation=0.05)
    for start in (None, expected.g):
        found = relaxed.solve(picks, 0.5, start, 1e-3)
        assert found.dual == pytest.approx(expected.dual, abs=1e-3)
        np.testing.assert_allclose(found.f, expected.f, atol=2e-3)
        assert found.dual < small.solve(picks, 0.5, None, 1e-3).dual - 0.01
    known = solve(CpuPass(build_problem(small.x, small.y, small.b)), small.epsilon, relaxation=0.05)
    _, _, distance = replace(relaxed, known=(known.g, known.f)).potentials(np.zeros(0, np.int64), 0.0, None)
    assert distance == pytest.approx(known.dual, abs=1e-6)


def test_a_solve_gives_up_after_the_passes_that_the_task_allows(small):
    few = replace(small, max_passes=2)
    for start in (None, np.zeros(30)):
        with pytest.raises(NotConvergedError, match=r"after 2 passes.*raise .*transport\.max_passes"):
            few.solve(np.arange(50), 0.5, start, 1e-9)


def test_some_rows_of_a_matrix_are_those_rows_from_the_first_to_the_last_of_each_block():
    x = np.arange(140_002, dtype=np.float32).reshape(-1, 2)
    wanted = np.array([70_000, 0, 65_535, 65_536])
    assert rounds._rows(x, wanted).tolist() == x[wanted].tolist()
