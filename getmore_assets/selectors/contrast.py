"""`contrast`: towards the target and away from a negative one."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import POTENTIALS, VECTORS, Kind

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.ground import Ground
    from getmore_assets.selection.ranked import Ranked


def _rank(ground: "Ground", chosen: "Selector", _budget: "Budget") -> "Ranked":
    from getmore_assets.selection import contrast
    from getmore_assets.selection.gradient import calibrated_gradient
    from getmore_assets.selection.ranked import by_score

    away, facts = contrast.potentials(ground)
    towards, away = calibrated_gradient(ground.f), calibrated_gradient(away)
    return by_score(ground, (1 - chosen.push) * towards - chosen.push * away, **facts)


KIND = Kind(
    name="contrast",
    ranks_by="the gradient towards the target less that towards `target.negative`",
    rank=_rank,
    settings=("push", "quotas"),
    reads=frozenset({VECTORS, POTENTIALS}),
)
