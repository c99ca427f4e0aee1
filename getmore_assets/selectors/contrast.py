"""`contrast`: the gradient towards the target and away from a negative target."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import POTENTIALS, VECTORS, Kind

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


def _rank(context: "SelectionContext", chosen: "Selector", _budget: "Budget") -> "Ranking":
    from getmore_assets.selection import contrast
    from getmore_assets.selection.gradient import calibrated_gradient
    from getmore_assets.selection.ranking import by_score

    away, facts = contrast.potentials(context)
    towards, away = calibrated_gradient(context.f), calibrated_gradient(away)
    return by_score((1 - chosen.push) * towards - chosen.push * away, **facts)


KIND = Kind(
    name="contrast",
    ranks_by="the gradient towards the target less that towards `target.negative`",
    rank=_rank,
    settings=("push", "quotas"),
    reads=frozenset({VECTORS, POTENTIALS}),
)
