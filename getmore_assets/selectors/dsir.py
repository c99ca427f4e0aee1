"""`dsir`: importance resampling on hashed n-grams (Xie et al., NeurIPS 2023)."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


def _rank(context: "SelectionContext", chosen: "Selector", _budget: "Budget") -> "Ranking":
    from getmore_assets.selection import dsir
    from getmore_assets.selection.ranking import by_score

    weights = dsir.log_weights(context.count, context.texts(), context.texts(), context.split("train"))
    return by_score(-(weights + dsir.gumbel(context.eligible["id"], chosen.seed)))


KIND = Kind(
    name="dsir",
    ranks_by="importance weights on hashed n-grams, and Gumbel noise",
    rank=_rank,
    settings=("seed", "quotas"),
)
