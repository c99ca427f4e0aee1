"""`moore-lewis`: the cross-entropy difference (Moore & Lewis, ACL 2010)."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind, always

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.ground import Ground
    from getmore_assets.selection.ranked import Ranked


def _rank(ground: "Ground", _chosen: "Selector", _budget: "Budget") -> "Ranked":
    from getmore_assets.selection.ranked import by_score
    from getmore_assets.selection.trials import difference

    return by_score(ground, difference(ground))


KIND = Kind(
    name="moore-lewis",
    ranks_by="the loss after light tuning on target train less that of the base model (the `loss` of rounds is the "
    "same difference)",
    rank=_rank,
    settings=("quotas",),
    asks_a_model=always,
)
