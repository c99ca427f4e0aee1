"""`perplexity`: the loss of the base model."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind, always

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


def _rank(context: "SelectionContext", _chosen: "Selector", _budget: "Budget") -> "Ranking":
    from getmore_assets.selection.ranking import by_score
    from getmore_assets.selection.trials import Trials

    return by_score(Trials(context).losses())


KIND = Kind(
    name="perplexity",
    ranks_by="the base model's loss on a text's first 256 characters",
    rank=_rank,
    needs_base_model=always,
)
