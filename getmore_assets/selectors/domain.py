"""`domain`: random rows of the domains that are nearest by triage."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind, Picking

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


_PICKING = Picking(
    how="rows of the nearest domains, as many domains as hold twice the budget, are drawn at random",
    other_budget="with another budget, rows of more or of fewer domains are drawn",
    to_select="its random number would have to be lower, or its domain among the nearest",
    to_drop="a higher random number, or a domain that is further from the target, might leave it out",
)


def _rank(context: "SelectionContext", chosen: "Selector", budget: "Budget") -> "Ranking":
    from getmore_assets.selection import nearest_domains
    from getmore_assets.selection.ranking import by_score, price

    scores = nearest_domains.scores(context.eligible, context.nearness(), *price(context, budget), chosen.seed)
    return by_score(scores, domains=sorted(context.eligible["domain"].filter(scores < 1).unique()))


KIND = Kind(
    name="domain",
    ranks_by="a hash within the nearest domains, as many as hold twice the budget: the gain of a domain label alone",
    rank=_rank,
    settings=("seed",),
    plans=True,
    picking=lambda _: _PICKING,
)
