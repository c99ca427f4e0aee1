"""`got-d`: the calibrated gradient of the transport distance, once (GOT-D, ICLR 2024, Eq. 9)."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import POTENTIALS, VECTORS, Kind

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


def _rank(context: "SelectionContext", _chosen: "Selector", _budget: "Budget") -> "Ranking":
    from getmore_assets.selection import gradient
    from getmore_assets.selection.ranking import by_score

    return by_score(gradient.calibrated_gradient(context.f))


KIND = Kind(
    name="got-d",
    ranks_by="the calibrated gradient, once (the paper)",
    rank=_rank,
    settings=("quotas",),
    reads=frozenset({VECTORS, POTENTIALS}),
    to_be_taken="a target with more rows like it would lower its score: see its closest target rows",
)
