"""`cynical`: the n-grams that pool and picks lack of the target's, in rounds."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind, Picking

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


_PICKING = Picking(
    how="each round picks by the n-grams that pool and picks lack so far; what no round picked follows by score",
    anew="with another budget, rounds of another size pick anew",
    sooner="its n-grams would have to be more of those that the target has and the picks before it lack",
    later="candidates with more of the n-grams that are lacking might leave it out",
)


def _rank(context: "SelectionContext", _chosen: "Selector", budget: "Budget") -> "Ranking":
    from getmore_assets.selection import cynical
    from getmore_assets.selection.ranking import by_order, price

    order, scores = cynical.pick(context.texts_at, context.split("train"), *price(context, budget))
    return by_order(context, order, scores)


KIND = Kind(
    name="cynical",
    ranks_by="the n-grams that pool and picks lack of the target's, in rounds: what `got-d-rounds` is in KL of "
    "n-grams, with no encoder",
    rank=_rank,
    settings=("quotas",),
    plans=True,
    picking=lambda _: _PICKING,
)
