"""`dsir`: importance resampling on hashed n-grams (Xie et al., NeurIPS 2023)."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.ground import Ground
    from getmore_assets.selection.ranked import Ranked


def _rank(ground: "Ground", chosen: "Selector", _budget: "Budget") -> "Ranked":
    from getmore_assets.selection import dsir
    from getmore_assets.selection.ranked import by_score

    weights = dsir.log_weights(ground.eligible.height, ground.texts(), ground.texts(), ground.split("train"))
    return by_score(ground, -(weights + dsir.gumbel(ground.eligible["id"], chosen.seed)))


KIND = Kind(
    name="dsir",
    ranks_by="importance weights on hashed n-grams, and Gumbel noise",
    rank=_rank,
    settings=("seed", "quotas"),
)
