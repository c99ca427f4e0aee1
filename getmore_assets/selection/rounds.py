"""GOT-D in rounds: re-solve with the picks in the pool's weights, so that what is served already is asked for no more.

Belongs here: the rounds and the distance that they bring down. Does not: λ (`strength.py`), or one-shot GOT-D
(`gradient.py`).

The paper takes the first-order term of OT(λ D_U + (1 - λ) D_S, D_R) in λ (Eq. 7), once, at D_S; so nothing keeps it
from picking the same thing over and over. Here a share of the budget is picked, the plan is solved for again (from the
last g: a few passes), and the gradient there says what is still missing. After r of R rounds the weights are
a = s D_U + (1 - s) D_S with s = λ r / R: picks weigh what they will weigh in the end, and what is not picked yet still
stands as the pool. So the rounds walk in equal steps from D_S to λ D_U + (1 - λ) D_S, and one round is the paper.
"""

import logging
from dataclasses import dataclass

import numpy as np

from getmore_assets.selection.context import SelectionContext
from getmore_assets.transport.marginal import TargetMarginal
from getmore_assets.transport.passes import best_pass
from getmore_assets.transport.problem import pose
from getmore_assets.transport.rows import Rows
from getmore_assets.transport.solver import NotConvergedError, Solution, solve

log = logging.getLogger(__name__)

_SPARE = 8  # how many times what a round may take is looked through for rows that need not wait
_WARM_PASSES = 60  # a start that needs more is worse than none
_TOLERANCE = 5e-3  # of the marginal: rounds rank, and the next one corrects


@dataclass(frozen=True)
class Plan:
    """The transport problem that rounds solve again and again.

    Attributes:
        x: Candidates: `[n, d]`, unit length.
        y: Targets: `[m, d]`, unit length.
        b: Target weights: `[m]`.
        n_tokens: Of each candidate: `[n]`; a pick weighs as many.
        epsilon: Absolute.
        relaxation: Of the target marginal, absolute; None for none.
        max_passes: Over all candidates, before a solve gives up.
        memory_mb: Of a pass.
        known: g (`[m]`) and f (`[n]`) of the pool alone, where they are solved for already: one round is then, to the
            row, the selection by these.
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
        """λ D_U + (1 - λ) D_S: `[n]`, summing to 1. A pick counts by its tokens, for that is what is trained on."""
        a = np.full(len(self.n_tokens), (1 - share) / len(self.n_tokens))
        if len(picks):
            a[picks] += share * self.n_tokens[picks] / self.n_tokens[picks].sum()
        weights: np.ndarray = a / a.sum()
        return weights

    def solve(
        self, picks: np.ndarray, share: float, start: np.ndarray | None, tolerance: float = _TOLERANCE
    ) -> Solution:
        """The potentials between λ D_U + (1 - λ) D_S and the target; those of every candidate, picked or not.

        Args:
            picks: Places of what is picked: `[k]`, int64.
            share: λ.
            start: A g to go on from: `[m]`; None solves from coarse to fine.
            tolerance: L1 error of the target marginal.

        Raises:
            NotConvergedError: After `max_passes`.
        """
        a = self.weights(picks, share) if len(picks) else None
        tile_pass = best_pass(pose(self.x, self.y, self.b, a), self.memory_mb)

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
        """The potentials g (`[m]`) and f (`[n]`, float64), and the distance; of the pool alone those that are known.

        Arguments as of `solve`.
        """
        if not len(picks) and self.known is not None:
            g, f = self.known
            return g, f, TargetMarginal(self.b, self.relaxation).dual(float(f.mean()), g)
        solution = self.solve(picks, share, start)
        return solution.g, solution.f.astype(np.float64), solution.dual


def plan_of(context: SelectionContext) -> Plan:
    """The transport problem of a ground, with weights that may be moved."""
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
    """What rounds picked.

    Attributes:
        order: Candidates in the order in which they were picked: `[k]`.
        score: Potential at which each was: `[k]`, float64.
        f: Potentials after the last round, for what was not picked: `[n]`, float64.
        costs: OT(s D_U + (1 - s) D_S, D_R) before each round, entropic; the first is that of the pool alone.
        by_round: How many each round picked.
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
        price: What each candidate costs: `[n]`, 1 or its tokens.
        budget: How much may be spent, in that unit.
        rounds: How many.
        share: λ.
        damping: Cosine similarity to a pick of the same round from which a row must wait for the next.
        bonus: Added to every potential, in its unit: `[n]`, float64, or one number.
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
    """Candidates that are left, the lowest first: `[k]`; with damping, those too near to one before them wait.

    They come after all others that are looked at: until these pay for what is left, and not for ever.

    Args:
        x: All candidates: `[n, d]`, unit length.
        ranked: Places of those that are left, the lowest first: `[k]`.
        left: How much the round may spend.
        price: What each candidate costs: `[n]`.
        damping: As of `pick`.
    """
    if damping is None:
        return ranked
    look = ranked[: int(min(len(ranked), _SPARE * max(left / float(price.mean()), 1)))]
    vectors, waits = _rows(x, look), np.zeros(len(look), bool)
    seen = kept = 0
    paid = 0.0
    while seen < len(look) and paid < left:
        waits[seen] = kept > 0 and float((vectors[:kept] @ vectors[seen]).max()) >= damping
        if not waits[seen]:
            vectors[kept] = vectors[seen]  # the kept move up, over what was seen, so that they lie side by side
            kept, paid = kept + 1, paid + price[look[seen]]
        seen += 1
    look, waits = look[:seen], waits[:seen]
    return np.concatenate([look[~waits], look[waits], ranked[seen:]])


def _rows(x: Rows, rows: np.ndarray) -> np.ndarray:
    """Some rows of a matrix that gives slices: `[len(rows), d]`."""
    out = np.empty((len(rows), x.shape[1]), np.float32)
    block = 65_536
    for start in range(0, x.shape[0], block):
        here = (rows >= start) & (rows < start + block)
        if here.any():
            out[here] = np.asarray(x[start : min(start + block, x.shape[0])])[rows[here] - start]
    return out
