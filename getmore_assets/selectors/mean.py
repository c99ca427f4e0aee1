"""`mean`: nearness to the mean of the target."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import VECTORS, Kind

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.ground import Ground
    from getmore_assets.selection.ranked import Ranked


def _rank(ground: "Ground", _chosen: "Selector", _budget: "Budget") -> "Ranked":
    from getmore_assets.selection import neighbours
    from getmore_assets.selection.ranked import by_score

    weights = ground.rows["weight"].to_numpy()
    return by_score(ground, neighbours.nearness_to_mean(ground.x, ground.y, weights))


KIND = Kind(
    name="mean",
    ranks_by="nearness to the target's mean",
    rank=_rank,
    settings=("quotas",),
    reads=frozenset({VECTORS}),
)
