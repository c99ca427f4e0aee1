"""`moore-lewis`: the cross-entropy difference (Moore & Lewis, ACL 2010)."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind, always

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


def _rank(context: "SelectionContext", _chosen: "Selector", _budget: "Budget") -> "Ranking":
    from getmore_assets.selection.ranking import by_score
    from getmore_assets.selection.trials import difference

    return by_score(difference(context))


KIND = Kind(
    name="moore-lewis",
    ranks_by="the loss after light tuning on target train less that of the base model (the `loss` of rounds is the "
    "same difference)",
    rank=_rank,
    settings=("quotas",),
    needs_base_model=always,
)
