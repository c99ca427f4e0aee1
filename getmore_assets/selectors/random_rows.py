"""`random`: a hash of id and seed."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.ground import Ground
    from getmore_assets.selection.ranked import Ranked


def _rank(ground: "Ground", chosen: "Selector", _budget: "Budget") -> "Ranked":
    from getmore_assets.selection import subset
    from getmore_assets.selection.ranked import Ranked

    return Ranked(subset.rank_at_random(ground.eligible, chosen.seed))


KIND = Kind(name="random", ranks_by="a hash of id and seed", rank=_rank, settings=("seed",))
