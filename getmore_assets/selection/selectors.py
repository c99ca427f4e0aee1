"""One interface for all selectors: selection context and budget in, all candidates by rank out.

Belongs here: calling a selector, once or for each part of the target. Does not: the selectors
(`getmore_assets/selectors/`), or their algorithms.
"""

import math

import numpy as np

from getmore_assets.config import Budget, Selector
from getmore_assets.selection.budget import resolved
from getmore_assets.selection.context import SelectionContext
from getmore_assets.selection.ranking import Ranking, by_order, price
from getmore_assets.selectors import KINDS


def rank(context: SelectionContext, chosen: Selector, budget: Budget) -> Ranking:
    """Rank all candidates with a selector.

    Args:
        context: The input of the selector.
        chosen: The selector and its settings.
        budget: The budget of the selection. Selectors that pick row by row stop there; the other rows follow in the
            order of their last scores.

    Raises:
        BadInput: The selector cannot rank this context.
    """
    budget = resolved(budget, context.count)
    if chosen.quotas:
        return _by_quotas(context, chosen, budget)
    return KINDS[chosen.selector].rank(context, chosen, budget)


def _by_quotas(context: SelectionContext, chosen: Selector, budget: Budget) -> Ranking:
    from getmore_assets.selection import quotas

    assert chosen.quotas is not None
    alone, (prices, spend) = chosen.model_copy(update={"quotas": None}), price(context, budget)
    parts, shares = zip(*quotas.parts(context, chosen.quotas), strict=True)
    orders, scores, facts = [], [], []
    for part, share in zip(parts, shares, strict=True):
        size = math.ceil(share * spend)
        ranked = rank(part, alone, Budget(tokens=size) if budget.tokens is not None else Budget(rows=size))
        orders.append(ranked.order)
        scores.append(ranked.scores)
        facts.append(ranked.facts)
    order, by = quotas.in_turn(orders, shares, prices, spend)
    score = np.min(scores, axis=0)
    score[order] = np.array(scores)[by, order]
    of_parts = {p.name: {"share": shares[n], "picks": int((by == n).sum()), **facts[n]} for n, p in enumerate(parts)}
    lambdas = [part["lambda"] * share for part, share in zip(facts, shares, strict=True) if "lambda" in part]
    return by_order(order, score, quotas=of_parts, **({"lambda": sum(lambdas)} if lambdas else {}))
