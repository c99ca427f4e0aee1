"""GOT-D in rounds: solve again with the picks in the pool's weights, so that later rounds pick what is still missing.

Belongs here: the rounds, and the distance before each. Does not: λ (`lambda_estimate.py`), or one-shot GOT-D
(`gradient.py`).

The paper uses the first-order term of OT(λ D_U + (1 - λ) D_S, D_R) in λ (Eq. 7) once, at D_S, and so may pick many
similar rows. Here each round picks a share of the budget, the potentials are solved again (from the last g: a few
passes), and the gradient at the new weights shows what is still missing. After r of R rounds the weights
are a = s D_U + (1 - s) D_S with s = λ r / R: the picks so far have their share of the final mix, and the pool stands
for the picks to come. So rounds go in equal steps from D_S to λ D_U + (1 - λ) D_S; one round is the paper's method.
"""

import logging
from dataclasses import dataclass

import numpy as np

from getmore_assets.selection.context import SelectionContext
from getmore_assets.transport.marginal import TargetMarginal
from getmore_assets.transport.passes import best_pass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.rows import Rows
from getmore_assets.transport.solver import NotConvergedError, Solution, solve

log = logging.getLogger(__name__)

_CONSIDERED = 8  # with damping: rows considered, as a multiple of the rows that a round can take
_WARM_PASSES = 60  # a warm start that needs more passes is worse than a start from scratch
_TOLERANCE = 5e-3  # L1 error of the marginal: enough for ranking, and the next round corrects it


@dataclass(frozen=True)
class Plan:
    """The transport problem that each round solves with other candidate weights.

    Attributes:
        x: Candidates: `[n, d]`, unit length.
        y: Targets: `[m, d]`, unit length.
        b: Target weights: `[m]`.
        n_tokens: Tokens of each candidate, which are the weight of a pick: `[n]`.
        epsilon: Absolute.
        relaxation: Relaxation of the target marginal, absolute; None without relaxation.
        max_passes: Passes over all candidates before a solve gives up.
        memory_mb: Memory limit of a pass, in MiB.
        known: g (`[m]`) and f (`[n]`) of the pool alone, if they are solved already, so that one round selects exactly
            the rows of `got-d`.
    """

    x: Rows
    y: np.ndarray
    b: np.ndarray
    n_tokens: np.ndarray
    epsilon: float
    relaxation: float | None
    max_passes: int
    memory_mb: int
    known: tuple[np.ndarray, np.ndarray] | None = None

    def weights(self, picks: np.ndarray, share: float) -> np.ndarray:
        """Return λ D_U + (1 - λ) D_S: `[n]`, summing to 1. Picks weigh by tokens, because training counts tokens."""
        a = np.full(len(self.n_tokens), (1 - share) / len(self.n_tokens))
        if len(picks):
            a[picks] += share * self.n_tokens[picks] / self.n_tokens[picks].sum()
        weights: np.ndarray = a / a.sum()
        return weights

    def solve(
        self, picks: np.ndarray, share: float, start: np.ndarray | None, tolerance: float = _TOLERANCE
    ) -> Solution:
        """Solve for the potentials of all candidates, picked or not, between λ D_U + (1 - λ) D_S and the target.

        Args:
            picks: Indices of the picks: `[k]`, int64.
            share: λ.
            start: A g to start from: `[m]`; None solves from coarse to fine.
            tolerance: L1 error of the target marginal.

        Raises:
            NotConvergedError: After `max_passes`.
        """
        a = self.weights(picks, share) if len(picks) else None
        tile_pass = best_pass(build_problem(self.x, self.y, self.b, a), self.memory_mb)

        def from_g(g: np.ndarray | None, most: int) -> Solution:
            return solve(
                tile_pass, self.epsilon, tolerance=tolerance, max_passes=most, relaxation=self.relaxation, start=g
            )

        if start is not None:
            try:
                return from_g(start, min(_WARM_PASSES, self.max_passes))
            except NotConvergedError:
                log.info("the last g is a bad start for these weights: solving from coarse to fine")
        return from_g(None, self.max_passes)

    def potentials(
        self, picks: np.ndarray, share: float, start: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the potentials g (`[m]`) and f (`[n]`, float64), and the distance; without picks the known potentials.

        The arguments are those of `solve`.
        """
        if not len(picks) and self.known is not None:
            g, f = self.known
            return g, f, TargetMarginal(self.b, self.relaxation).dual(float(f.mean()), g)
        solution = self.solve(picks, share, start)
        return solution.g, solution.f.astype(np.float64), solution.dual


def plan_of(context: SelectionContext) -> Plan:
    """Return the transport problem of a selection context."""
    settings = context.task.transport
    return Plan(
        context.x,
        context.y,
        context.points["weight"].to_numpy(),
        context.n_tokens,
        context.epsilon,
        context.relaxation,
        settings.max_passes,
        settings.memory_mb,
        known=(context.points["potential"].to_numpy(), context.f),
    )


@dataclass(frozen=True)
class Picks:
    """The picks of all rounds.

    Attributes:
        order: Indices of the picks, in order: `[k]`.
        score: Potential of each pick in its round: `[k]`, float64.
        f: Potentials in the last round, which order the rows that were not picked: `[n]`, float64.
        costs: OT(s D_U + (1 - s) D_S, D_R) before each round, entropic; the first is the distance of the pool alone.
        by_round: Number of picks of each round.
    """

    order: np.ndarray
    score: np.ndarray
    f: np.ndarray
    costs: list[float]
    by_round: list[int]


def pick(
    plan: Plan,
    price: np.ndarray,
    budget: float,
    rounds: int,
    share: float,
    *,
    damping: float | None = None,
    bonus: np.ndarray | float = 0.0,
) -> Picks:
    """Pick in rounds, each an equal part of the budget.

    Args:
        plan: The problem.
        price: Price of each candidate, 1 or its tokens: `[n]`.
        budget: The budget, in the same unit.
        rounds: Number of rounds.
        share: λ.
        damping: A row is postponed if its cosine similarity to a pick of the same round is this or more.
        bonus: Added to the potentials, in their unit: `[n]`, float64, or one number.
    """
    n = len(plan.n_tokens)
    taken, spent, g = np.zeros(n, bool), 0.0, None
    costs: list[float] = []
    by_round: list[int] = []
    order: list[int] = []
    score: list[float] = []
    f = np.zeros(n)
    for number in range(rounds):
        until = budget * (number + 1) / rounds
        g, f, cost = plan.potentials(np.array(order, np.int64), share * number / rounds, g)
        f = f + bonus
        costs.append(cost)
        before = len(order)
        ranked = np.argsort(f, kind="stable")
        for row in _in_turn(plan.x, ranked[~taken[ranked]], until - spent, price, damping):
            if spent + price[row] > until:
                break
            taken[row], spent = True, spent + price[row]
            order.append(int(row))
            score.append(float(f[row]))
        by_round.append(len(order) - before)
        log.info("round %d of %d: %d picks, distance %.5f", number + 1, rounds, by_round[-1], costs[-1])
    return Picks(np.array(order, np.int64), np.array(score), f, costs, by_round)


def _in_turn(x: Rows, ranked: np.ndarray, left: float, price: np.ndarray, damping: float | None) -> np.ndarray:
    """Return the remaining candidates in the order of the round: `[k]`.

    Without damping this is the order of potentials. With damping, rows are considered in this order until they fill the
    round's budget. Rows that are too similar to an earlier row move to the end of the considered rows.

    Args:
        x: All candidates: `[n, d]`, unit length.
        ranked: Indices of the remaining candidates, lowest potential first: `[k]`.
        left: Budget of the round.
        price: Price of each candidate: `[n]`.
        damping: As in `pick`.
    """
    if damping is None:
        return ranked
    look = ranked[: int(min(len(ranked), _CONSIDERED * max(left / float(price.mean()), 1)))]
    vectors, postponed = _rows(x, look), np.zeros(len(look), bool)
    seen = kept = 0
    spent = 0.0
    while seen < len(look) and spent < left:
        postponed[seen] = kept > 0 and float((vectors[:kept] @ vectors[seen]).max()) >= damping
        if not postponed[seen]:
            vectors[kept] = vectors[seen]  # overwrite earlier vectors, so that those of kept rows are contiguous
            kept, spent = kept + 1, spent + price[look[seen]]
        seen += 1
    look, postponed = look[:seen], postponed[:seen]
    return np.concatenate([look[~postponed], look[postponed], ranked[seen:]])


def _rows(x: Rows, rows: np.ndarray) -> np.ndarray:
    """Return some rows of a matrix that can only be sliced: `[len(rows), d]`."""
    gathered = np.empty((len(rows), x.shape[1]), np.float32)
    block = 65_536
    for start in range(0, x.shape[0], block):
        inside = (rows >= start) & (rows < start + block)
        if inside.any():
            gathered[inside] = np.asarray(x[start : min(start + block, x.shape[0])])[rows[inside] - start]
    return gathered
