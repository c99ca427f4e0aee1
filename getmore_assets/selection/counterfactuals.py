"""Which score or budget would change the decision about a row.

Belongs here: the counterfactuals of a row's rank. Does not: how each selector picks (`selectors/`), the decisions of
other stages about the row (`explain.py`), or selecting (`selectors.py`).

The rank says which budget selects a row only if the selector's order does not depend on the budget. Other selectors
pick row by row until the budget is spent. The remaining rows follow by a score, but a larger budget would pick among
them in another order.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from getmore_assets.config import Budget, Selector
from getmore_assets.facts import RankingFacts
from getmore_assets.selection.budget import within_budget
from getmore_assets.selectors import KINDS
from getmore_assets.selectors.kind import Kind, Picking

_QUOTAS = Picking(
    how="the parts of the target take turns, each in its own order; rows that no turn took follow by lowest score",
    other_budget="with another budget, the parts of the target take another number of turns",
    to_select="it would have to rank higher in a part's own order, or that part have a larger share in `quotas`",
    to_drop="candidates that rank higher in a part's own order, or a smaller share for it, might leave it out",
)


def decider(chosen: Selector, facts: RankingFacts) -> Selector:
    """Return the selector that ranked the rows: the winner for a race, else the chosen selector."""
    return next((contestant for contestant in chosen.entrants if contestant.called == facts.winner), chosen)


def cuts_scores(chosen: Selector) -> bool:
    """Return whether the selector takes the lowest scores, and scores depend only on the rows (not on chance)."""
    return _is_by_score(chosen) and not chosen.draws


def _is_by_score(chosen: Selector) -> bool:
    return _picking(chosen) is None and not _kind(chosen).of_another_tool


def _kind(chosen: Selector) -> Kind:
    return KINDS[chosen.selector]


def _picking(chosen: Selector) -> Picking | None:
    """Return how the selector picks row by row; None if it takes the lowest scores."""
    if chosen.quotas:
        return _QUOTAS
    return _kind(chosen).picking(chosen)


@dataclass(frozen=True)
class Position:
    """A candidate's position in a ranking, and what would change the decision.

    Attributes:
        chosen: The selector that ranked the rows; for a race, the winner.
        facts: Facts of that selector's ranking.
        budget: The budget in rows or tokens.
        ranked: rank, score and n_tokens by rank, at least to the candidate and to the first row beyond the budget.
        rank: Rank of the candidate, from 1.
    """

    chosen: Selector
    facts: RankingFacts
    budget: Budget
    ranked: pl.DataFrame
    rank: int

    @property
    def score(self) -> float:
        """The candidate's score."""
        return float(self.ranked["score"][self.rank - 1])

    @property
    def cut(self) -> float | None:
        """The score of the last row within the budget; None if rows are not selected by lowest score."""
        return float(self.ranked["score"][self._selected - 1]) if _is_by_score(self.chosen) else None

    @property
    def why(self) -> str:
        """Rank and score, the budget, and how the selector orders rows."""
        rank = f"rank {self.rank:,} of {self.ranked.height:,}, score {self.score:.6g}; budget {self._selected:,} rows"
        if self.cut is not None:
            return f"{rank}, cut-off score {self.cut:.6g}"
        picking = _picking(self.chosen)
        return f"{rank}; {picking.how}{self._round}" if picking else f"{rank}, in the order of the other tool"

    @property
    def change(self) -> list[str]:
        """Changes that would reverse the decision: leave out a selected row, or select another."""
        is_selected = self.rank <= self._selected
        changes = self._changes_to_drop() if is_selected else self._changes_to_select()
        if self.chosen.draws:
            reverse = "leave it out" if is_selected else "take it"
            changes.append(f"another `seed` draws other scores, and might {reverse}")
        return changes

    @cached_property
    def _selected(self) -> int:
        """Number of rows within the budget."""
        return within_budget(self.ranked, self.budget).height

    @cached_property
    def _tokens(self) -> np.ndarray:
        """Tokens of the first 0, 1, 2, … rows: `[len(ranked) + 1]`, int64."""
        return np.concatenate([[0], self.ranked["n_tokens"].to_numpy()]).cumsum()

    @property
    def _round(self) -> str:
        """The round that picked the row; empty if it is not known."""
        by_round = self.facts.picks_by_round
        if by_round is None:
            return ""
        number = int(np.searchsorted(np.cumsum(by_round), self.rank)) + 1
        picked_by = "none picked it" if number > len(by_round) else f"round {number} picked it"
        return f"; of {len(by_round)} rounds, {picked_by}"

    @property
    def _smaller_budgets_agree(self) -> bool:
        """Whether a smaller budget takes the first of the same picks, for a selector that picks row by row.

        It does not for `knn` with a budget in tokens: tokens that are too few for the next pick are spent on a later,
        shorter row.
        """
        if self.chosen.quotas:
            return _picking(self.chosen.model_copy(update={"quotas": None})) is None
        return _kind(self.chosen).rows_nest and self.budget.tokens is None

    @property
    def _smaller_budget(self) -> str:
        if self.rank == 1:
            return "no budget leaves it out: it comes first"
        before = f"{self.rank - 1:,} rows"
        most = before if self.budget.tokens is None else f"{self._tokens[self.rank] - 1:,} tokens ({before})"
        return f"a budget of {most} or fewer would leave it out"

    def _changes_to_drop(self) -> list[str]:
        """Return changes that would leave out the row, which is selected."""
        picking = _picking(self.chosen)
        if picking is None:
            return [self._smaller_budget, self._more_rows_before]
        if self._smaller_budgets_agree:
            return [self._smaller_budget, picking.to_drop]
        unknown = f"{picking.other_budget}: a smaller one may leave it out, but its rank does not say how small"
        return [unknown, picking.to_drop]

    @property
    def _more_rows_before(self) -> str:
        rows = "candidates with a lower score than its own"
        if _kind(self.chosen).of_another_tool:
            rows = "rows that the other tool puts before it"
        if self.budget.tokens is None:
            more = f"{self._selected - self.rank + 1:,} more {rows}"
        else:
            left = self.budget.tokens - self._tokens[self.rank]
            more = f"more {rows}, of {left + 1:,} tokens or more together,"
        return f"{more} would leave it out"

    def _changes_to_select(self) -> list[str]:
        """Return changes that would select the row, which is not selected."""
        picking = _picking(self.chosen)
        if picking is None:
            other = _kind(self.chosen).to_be_taken
            return [*self._higher_rank(), self._larger_budget, *([other] if other else [])]
        unknown = f"{picking.other_budget}: a larger one may take it, but its rank does not say how large"
        return [picking.to_select, *self._in_the_last_round(), unknown]

    @property
    def _larger_budget(self) -> str:
        least = f"{self.rank:,} rows"
        if self.budget.tokens is not None:
            least = f"{self._tokens[self.rank]:,} tokens ({least})"
        return f"a budget of {least} or more would take it"

    def _higher_rank(self) -> list[str]:
        """Return how much higher the row would have to rank to be within the budget, as text."""
        price, spend = self._tokens, self.budget.tokens
        if spend is None:
            price, spend = np.arange(len(self._tokens)), self._selected
        own = price[self.rank] - price[self.rank - 1]
        last = int(np.searchsorted(price[: self._selected + 1] + own, spend, side="right"))  # last rank in the budget
        if not last:
            return [f"it has {own:,} tokens, more than the budget: at no rank would it be taken"]
        if _kind(self.chosen).of_another_tool:
            return [f"the other tool would have to put it {self.rank - last:,} places earlier"]
        score = float(self.ranked["score"][last - 1])
        if self.score == score:  # equal scores: only the order of ids leaves the row out
            return []
        return [f"its score would have to be lower by {self.score - score:.6g}, to {score:.6g}"]

    def _in_the_last_round(self) -> list[str]:
        """Return the distance from the cut-off of the last round, if that round took the lowest potentials."""
        in_rounds = "rounds" in _kind(self.chosen).settings
        if self.chosen.quotas or not in_rounds or self.chosen.rounds.damping or self.budget.tokens:
            return []
        cut = float(self.ranked["score"][self._selected - 1])
        return [f"in the last round, the score would have to be lower by {self.score - cut:.6g}, to {cut:.6g}"]
