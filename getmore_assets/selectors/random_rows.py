"""`random`: a hash of id and seed."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


def _rank(context: "SelectionContext", chosen: "Selector", _budget: "Budget") -> "Ranking":
    from getmore_assets.selection.ranking import at_random

    return at_random(context, chosen.seed)


KIND = Kind(name="random", ranks_by="a hash of id and seed", rank=_rank, settings=("seed",))
