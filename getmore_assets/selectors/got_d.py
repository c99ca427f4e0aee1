"""`got-d`: the calibrated gradient of the transport distance, once (GOT-D, ICLR 2024, Eq. 9)."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import POTENTIALS, VECTORS, Kind

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.ground import Ground
    from getmore_assets.selection.ranked import Ranked


def _rank(ground: "Ground", _chosen: "Selector", _budget: "Budget") -> "Ranked":
    from getmore_assets.selection import gradient
    from getmore_assets.selection.ranked import by_score

    return by_score(ground, gradient.calibrated_gradient(ground.f))


KIND = Kind(
    name="got-d",
    ranks_by="the calibrated gradient, once (the paper)",
    rank=_rank,
    settings=("quotas",),
    reads=frozenset({VECTORS, POTENTIALS}),
    to_be_taken="a target with more rows like it would lower its score: see its closest target rows",
)
