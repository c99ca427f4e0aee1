"""`perplexity`: the loss of the base model."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind, always

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.ground import Ground
    from getmore_assets.selection.ranked import Ranked


def _rank(ground: "Ground", _chosen: "Selector", _budget: "Budget") -> "Ranked":
    from getmore_assets.selection.ranked import by_score
    from getmore_assets.selection.trials import Trials

    return by_score(ground, Trials(ground).losses())


KIND = Kind(
    name="perplexity",
    ranks_by="the base model's loss on a text's first 256 characters",
    rank=_rank,
    asks_a_model=always,
)
