"""Quotas: a share of the budget for each part of the target, so that a large part does not take all of the budget.

Belongs here: the context of one part, and the order of turns. Does not: how a selector ranks for a part
(`selectors.py`).

Each part is a target of its own: a selector ranks the same candidates for the part, GOT-D by potentials solved between
the pool and that part alone. Then the parts take turns; the next turn is for the part furthest behind its share. A row
belongs to the first part that takes it; other parts take their next row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import polars as pl

from getmore_assets.config import Quotas
from getmore_assets.corpus.candidates import Candidates
from getmore_assets.corpus.target import shares_of, weighed
from getmore_assets.selection.context import SelectionContext
from getmore_assets.transport.passes import best_pass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.rows import NpyFile
from getmore_assets.transport.solver import Solution, solve


@dataclass(frozen=True)
class Part(SelectionContext):
    """The context of one part: all candidates, and the rows of target train in the part.

    Attributes:
        whole: The context of the whole target.
        by: The column with the part of a row of train.
        name: Name of the part: a value of that column.
    """

    whole: SelectionContext
    by: str
    name: str

    @cached_property
    def found(self) -> Candidates:
        """The candidates of the whole context."""
        return self.whole.found

    @cached_property
    def eligible(self) -> pl.DataFrame:
        """The candidates of the whole context."""
        return self.whole.eligible

    @cached_property
    def x(self) -> NpyFile:
        """Vectors of the candidates: `[n, d]`, in a file."""
        return self.whole.x

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The part's points: id and weight, in order of id."""
        return weighed(self.split_rows("train").join(self.whole.without_vector.lazy(), on="id", how="anti"))

    @cached_property
    def _solved(self) -> Solution:
        settings, problem = self.task.transport, build_problem(self.x, self.y, self.rows["weight"].to_numpy())
        return solve(
            best_pass(problem, settings.memory_mb),
            self.epsilon,
            tolerance=settings.tolerance,
            max_passes=settings.max_passes,
            relaxation=self.relaxation,
        )

    @cached_property
    def points(self) -> pl.DataFrame:
        """The part's points: id, weight, potential, in order of id."""
        return self.rows.with_columns(pl.Series("potential", self._solved.g))

    @cached_property
    def f(self) -> np.ndarray:
        """The potential of each candidate towards this part: `[n]`, float64."""
        return self._solved.f.astype(np.float64)

    def split_rows(self, name: str) -> pl.LazyFrame:
        """Return the rows of a split of the target; for train, only those of this part."""
        rows = super().split_rows(name)
        return rows.filter(pl.col(self.by) == self.name) if name == "train" else rows


def parts(context: SelectionContext, quotas: Quotas) -> list[tuple[Part, float]]:
    """Return the parts of a context, by name, each with its share of the budget; the shares sum to 1."""
    names = sorted(context.split_rows("train").select(quotas.by).collect()[quotas.by].drop_nulls().unique())
    given = {name: getattr(context, name) for name in (field.name for field in fields(SelectionContext))}
    return [(Part(**given, whole=context, by=quotas.by, name=name), share) for name, share in shares_of(quotas, names)]


def in_turn(
    orders: Sequence[np.ndarray], shares: Sequence[float], price: np.ndarray, spend: float
) -> tuple[np.ndarray, np.ndarray]:
    """Let parts take turns until the budget is spent, or no candidate is left.

    Args:
        orders: All candidates in the order of each part: `[n]`.
        shares: Share of the budget of each part.
        price: Price of each candidate, 1 or its tokens: `[n]`.
        spend: The budget, in the same unit.

    Returns:
        The candidates in the order in which they were taken: `[k]`, and the number of the part that took each: `[k]`.
    """
    taken, spent, at = np.zeros(len(price), bool), np.zeros(len(orders)), np.zeros(len(orders), np.int64)
    order: list[int] = []
    by: list[int] = []
    while spent.sum() < spend and len(order) < len(price):
        turn = int(np.argmin(spent / np.asarray(shares)))
        while taken[orders[turn][at[turn]]]:
            at[turn] += 1
        row = int(orders[turn][at[turn]])
        taken[row] = True
        spent[turn] += price[row]
        order.append(row)
        by.append(turn)
    return np.array(order, np.int64), np.array(by, np.int64)
