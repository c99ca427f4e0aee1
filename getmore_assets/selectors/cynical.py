"""`cynical`: rows with n-grams of the target that pool and picks lack, in rounds."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind, Picking

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


_PICKING = Picking(
    how="each round picks rows with n-grams that pool and picks lack so far; rows that no round picked follow by score",
    other_budget="with another budget, rounds of another size pick other rows",
    to_select="it would have to have more of the target's n-grams that the picks before it lack",
    to_drop="candidates with more of the missing n-grams might leave it out",
)


def _rank(context: "SelectionContext", _chosen: "Selector", budget: "Budget") -> "Ranking":
    from getmore_assets.selection import cynical
    from getmore_assets.selection.ranking import by_order, price

    order, scores = cynical.pick(context.texts_at, context.split("train"), *price(context, budget))
    return by_order(order, scores)


KIND = Kind(
    name="cynical",
    ranks_by="the target's n-grams that pool and picks lack, in rounds: `got-d-rounds` with the KL divergence of "
    "n-grams in place of transport, without an encoder",
    rank=_rank,
    settings=("quotas",),
    plans=True,
    picking=lambda _: _PICKING,
)
