"""A selector as data: its settings, what it reads, how it ranks, and how a row's place in its ranking is explained.

Belongs here: the shape of a declaration. Does not: a declaration, which stands in the file of its selector. Task files
are read with these, so nothing heavy is imported here or in those files; `rank` imports what it needs.
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
    """How a selector picks one row after the other, so that no single order of scores says what it takes.

    Attributes:
        how: It picks, and what follows the picks.
        anew: What another budget does.
        sooner: What would have to change for a row to be taken.
        later: What would leave a row out.
    """

    how: str
    anew: str
    sooner: str
    later: str


def _never(_chosen: "Selector") -> bool:
    return False


def _by_score(_chosen: "Selector") -> Picking | None:
    return None


@dataclass(frozen=True)
class Kind:
    """One selector.

    Attributes:
        name: In the task file.
        ranks_by: What it ranks candidates by, for the table of the documentation.
        rank: Ranks all candidates of a selection context for a budget.
        settings: The fields of the task file's selector that it has; `seed` where it draws, `quotas` where it looks at
            the target's rows, so that each part of the target can have a choice of its own.
        reads: VECTORS, POTENTIALS or both: what computing them takes is part of its cost.
        asks_a_model: Whether the base model must be there before it can choose.
        plans: Whether its first picks hang on how much will be picked.
        picking: How it picks one by one; None where it takes the lowest scores.
        of_another_tool: Whether its order is given from outside.
        rows_nest: Whether a smaller budget of rows takes the head of a larger one's picks, though it picks one by one.
        to_be_taken: What, besides score and budget, would have it take a row; empty where nothing is known.
    """

    name: str
    ranks_by: str
    rank: "Callable[[SelectionContext, Selector, Budget], Ranking]"
    settings: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset()
    asks_a_model: "Callable[[Selector], bool]" = _never
    plans: bool = False
    picking: "Callable[[Selector], Picking | None]" = _by_score
    of_another_tool: bool = False
    rows_nest: bool = False
    to_be_taken: str = ""


def always(_chosen: "Selector") -> bool:
    """Return True: of a selector that asks a model, whatever its settings."""
    return True
