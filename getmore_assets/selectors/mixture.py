"""`mixture`: shares of clusters, chosen by the losses of small warm-ups on random mixtures."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import POTENTIALS, VECTORS, Kind, always

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


def _rank(context: "SelectionContext", _chosen: "Selector", budget: "Budget") -> "Ranking":
    from getmore_assets.selection import mixture
    from getmore_assets.selection.ranking import by_score, price

    found = mixture.best_shares(context, *price(context, budget))
    return by_score(found.order, **found.facts)


KIND = Kind(
    name="mixture",
    ranks_by="shares of 64 clusters, predicted best from small warm-ups on random mixtures; by potential in a cluster",
    rank=_rank,
    reads=frozenset({VECTORS, POTENTIALS}),
    needs_base_model=always,
    plans=True,
)
