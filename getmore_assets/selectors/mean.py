"""`mean`: nearness to the mean of the target."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import VECTORS, Kind

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


def _rank(context: "SelectionContext", _chosen: "Selector", _budget: "Budget") -> "Ranking":
    from getmore_assets.selection import neighbours
    from getmore_assets.selection.ranking import by_score

    weights = context.rows["weight"].to_numpy()
    return by_score(neighbours.nearness_to_mean(context.x, context.y, weights))


KIND = Kind(
    name="mean",
    ranks_by="nearness to the target's mean",
    rank=_rank,
    settings=("quotas",),
    reads=frozenset({VECTORS}),
)
