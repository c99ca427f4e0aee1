"""A selector as data: its settings, what it reads, how it ranks, and how a row's rank is explained.

Belongs here: the class of a declaration. Does not: a declaration, which is in the file of its selector. Reading a task
file imports all declarations, so these files import nothing heavy at their top; `rank` imports what it needs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking

VECTORS, POTENTIALS = "vectors", "potentials"


@dataclass(frozen=True)
class Picking:
    """The explanation of a selector that picks row by row, so that its scores alone do not decide.

    Attributes:
        how: How the selector picks, and the order of the other rows.
        other_budget: The effect of another budget.
        to_select: A change that would select a row.
        to_drop: A change that would leave a row out.
    """

    how: str
    other_budget: str
    to_select: str
    to_drop: str


def _never(_chosen: "Selector") -> bool:
    return False


def _by_score(_chosen: "Selector") -> Picking | None:
    return None


@dataclass(frozen=True)
class Kind:
    """One selector.

    Attributes:
        name: Name in the task file.
        ranks_by: The quantity that candidates are ranked by, for the table in the documentation.
        rank: Ranks all candidates of a selection context for a budget.
        settings: Fields of the task file's selector that apply: `seed` for a selector that draws at random, `quotas`
            for a selector that can rank for each part of the target separately.
        reads: VECTORS, POTENTIALS or both: the time of computing them is part of the selector's cost.
        needs_base_model: Whether the selector needs the base model.
        plans: Whether the first picks depend on the budget.
        picking: How the selector picks row by row; None if it takes the lowest scores.
        of_another_tool: Whether the order comes from another tool.
        rows_nest: For a selector that picks row by row: whether a smaller budget of rows takes the first rows of the
            same picks.
        to_be_taken: A change besides score and budget that would select a row; empty if none is known.
    """

    name: str
    ranks_by: str
    rank: "Callable[[SelectionContext, Selector, Budget], Ranking]"
    settings: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset()
    needs_base_model: "Callable[[Selector], bool]" = _never
    plans: bool = False
    picking: "Callable[[Selector], Picking | None]" = _by_score
    of_another_tool: bool = False
    rows_nest: bool = False
    to_be_taken: str = ""


def always(_chosen: "Selector") -> bool:
    """Return True: for a selector that needs the base model with any settings."""
    return True
