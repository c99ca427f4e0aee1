"""In what order selectors take rows, and so what another score or another budget would change for one of them.

Belongs here: what is true of a row's place in the order of a selector. Does not: how each selector picks
(`selectors/`), the rest of a row's way through the line (`explain.py`), or choosing (`selectors.py`).

A rank says which budget takes a row only where all candidates stand in one order that the budget has no part in. Other
selectors pick one row after the other until the budget is spent; what they leave follows by a score that decides
nothing, and with a larger budget they would have gone on in their own way.
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
    how="the parts of the target take turns, each in an order of its own; what no turn took follows by lowest score",
    anew="with another budget, the parts of the target take another number of turns",
    sooner="it would have to come sooner in a part's own order, or that part have a larger share in `quotas`",
    later="candidates that come sooner in a part's own order, or a smaller share for it, might leave it out",
)


def decider(chosen: Selector, facts: RankingFacts) -> Selector:
    """The selector whose order it is, by what the chosen one found out: of a race, the winner."""
    return next((one for one in chosen.entrants if one.called == facts.winner), chosen)


def cuts_scores(chosen: Selector) -> bool:
    """Whether it takes the lowest of scores that say something of their rows, and of nothing else."""
    return _is_by_score(chosen) and not chosen.draws


def _is_by_score(chosen: Selector) -> bool:
    return _picking(chosen) is None and not _kind(chosen).of_another_tool


def _kind(chosen: Selector) -> Kind:
    return KINDS[chosen.selector]


def _picking(chosen: Selector) -> Picking | None:
    """How it picks one row after the other, where it does."""
    if chosen.quotas:
        return _QUOTAS
    return _kind(chosen).picking(chosen)


@dataclass(frozen=True)
class Position:
    """A candidate's place in a ranking, and what it hangs on.

    Attributes:
        chosen: Whose ranking it is; a race's is the winner's.
        facts: What that found out.
        budget: In rows or tokens.
        ranked: By rank, as far as the candidate and the first row that is not paid for, at least: score, n_tokens.
        rank: The candidate's, from 1.
    """

    chosen: Selector
    facts: RankingFacts
    budget: Budget
    ranked: pl.DataFrame
    rank: int

    @property
    def score(self) -> float:
        """The candidate's."""
        return float(self.ranked["score"][self.rank - 1])

    @property
    def cut(self) -> float | None:
        """The score of the last row that is paid for; None where it is not one order of scores that is cut."""
        return float(self.ranked["score"][self._paid - 1]) if _is_by_score(self.chosen) else None

    @property
    def why(self) -> str:
        """Rank and score, where the budget ends, and how the order came about."""
        said = f"rank {self.rank:,} of {self.ranked.height:,}, score {self.score:.6g}; budget {self._paid:,} rows"
        if self.cut is not None:
            return f"{said}, cut-off score {self.cut:.6g}"
        picking = _picking(self.chosen)
        return f"{said}; {picking.how}{self._round}" if picking else f"{said}, in the order of the other tool"

    @property
    def change(self) -> list[str]:
        """What would change the decision: leave the row out where it is taken, else take it."""
        picking, taken = _picking(self.chosen), self.rank <= self._paid
        if picking is None:
            change = self._to_drop_out() if taken else self._to_be_taken()
        elif not taken:
            unknown = f"{picking.anew}: a larger one may take it, but its rank does not say which"
            change = [picking.sooner, *self._in_the_last_round(), unknown]
        elif self._smaller_budgets_agree:
            change = [self._smaller_budget, picking.later]
        else:
            change = [f"{picking.anew}: a smaller one may leave it out, but its rank does not say which", picking.later]
        if self.chosen.draws:
            change.append(f"another `seed` draws other scores, and might {'leave it out' if taken else 'take it'}")
        return change

    @cached_property
    def _paid(self) -> int:
        return within_budget(self.ranked, self.budget).height

    @cached_property
    def _tokens(self) -> np.ndarray:
        """Of the first 0, 1, 2, … rows: `[len(ranked) + 1]`, int64."""
        return np.concatenate([[0], self.ranked["n_tokens"].to_numpy()]).cumsum()

    @property
    def _round(self) -> str:
        """Which round picked it, where that is known."""
        by_round = self.facts.picks_by_round
        if by_round is None:
            return ""
        number = int(np.searchsorted(np.cumsum(by_round), self.rank)) + 1
        which = "none picked it" if number > len(by_round) else f"round {number} picked it"
        return f"; of {len(by_round)} rounds, {which}"

    @property
    def _smaller_budgets_agree(self) -> bool:
        """Whether a smaller budget takes the same rows as far as it reaches, though they are picked one by one.

        In tokens, nearest neighbours do not: what is too little for the next turn is spent on what follows.
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

    def _to_drop_out(self) -> list[str]:
        imported = _kind(self.chosen).of_another_tool
        which = "that the other tool puts before it" if imported else "with a lower score than its own"
        what = "rows" if imported else "candidates"
        if self.budget.tokens is None:
            more = f"{self._paid - self.rank + 1:,} more {what} {which}"
        else:
            left = self.budget.tokens - self._tokens[self.rank]
            more = f"more {what} {which}, of {left + 1:,} tokens or more together,"
        return [self._smaller_budget, f"{more} would leave it out"]

    def _to_be_taken(self) -> list[str]:
        least = f"{self.rank:,} rows"
        if self.budget.tokens is not None:
            least = f"{self._tokens[self.rank]:,} tokens ({least})"
        change = [*self._sooner(), f"a budget of {least} or more would take it"]
        more = _kind(self.chosen).to_be_taken
        return [*change, more] if more else change

    def _sooner(self) -> list[str]:
        """How much sooner it would have to come, for the budget to pay for it where it is then."""
        price, spend = self._tokens, self.budget.tokens
        if spend is None:
            price, spend = np.arange(len(self._tokens)), self._paid
        own = price[self.rank] - price[self.rank - 1]
        last = int(np.searchsorted(price[: self._paid + 1] + own, spend, side="right"))  # of the ranks that would do
        if not last:
            return [f"it has {own:,} tokens, more than the budget: at no rank would it be taken"]
        if _kind(self.chosen).of_another_tool:
            return [f"the other tool would have to put it {self.rank - last:,} places earlier"]
        score = float(self.ranked["score"][last - 1])
        if self.score == score:  # its id alone comes too late
            return []
        return [f"its score would have to be lower by {self.score - score:.6g}, to {score:.6g}"]

    def _in_the_last_round(self) -> list[str]:
        """How far it is from the cut of the last round, where that took the lowest potentials and no less."""
        asked = self.chosen.rounds
        in_rounds = "rounds" in _kind(self.chosen).settings
        if self.chosen.quotas or not in_rounds or asked.damping or self.budget.tokens:
            return []
        cut = float(self.ranked["score"][self._paid - 1])
        return [f"in the last of them, it would have to be lower by {self.score - cut:.6g}, to {cut:.6g}"]
