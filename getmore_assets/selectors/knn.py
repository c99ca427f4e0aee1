"""`knn`: round-robin over the nearest candidates of each target row."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import VECTORS, Kind, Picking

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


_PICKING = Picking(
    how="each target row takes, in its turn, the nearest candidate left; rows that no turn took follow by nearness",
    other_budget="with another budget, target rows take another number of turns",
    to_select="it would have to be the nearest candidate left in a target row's turn: its score does not decide that",
    to_drop="candidates nearer to the target rows might leave it out: a turn takes the nearest remaining one",
)


def _rank(context: "SelectionContext", _chosen: "Selector", budget: "Budget") -> "Ranking":
    from getmore_assets.selection import neighbours
    from getmore_assets.selection.ranking import by_order, price

    (prices, spend), memory_mb = price(context, budget), context.task.transport.memory_mb
    order = neighbours.round_robin(context.x, context.y, prices, spend, memory_mb)
    return by_order(order, neighbours.nearness(context.x, context.y, memory_mb))


KIND = Kind(
    name="knn",
    ranks_by="round-robin over each target's nearest candidates",
    rank=_rank,
    settings=("quotas",),
    reads=frozenset({VECTORS}),
    picking=lambda _: _PICKING,
    rows_nest=True,
)
