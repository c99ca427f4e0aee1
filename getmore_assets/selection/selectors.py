"""One interface for all selectors: selection context and budget in, all candidates by rank out.

Belongs here: calling a selector, once or for each part of the target. Does not: which selectors there are
(`getmore_assets/selectors/`), or how they rank.
"""

import math

import numpy as np
import polars as pl

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
    budget = resolved(budget, context.eligible.height)
    if chosen.quotas:
        return _by_quotas(context, chosen, budget)
    return KINDS[chosen.selector].rank(context, chosen, budget)


def _by_quotas(context: SelectionContext, chosen: Selector, budget: Budget) -> Ranking:
    from getmore_assets.selection import quotas

    assert chosen.quotas is not None
    alone, (prices, spend) = chosen.model_copy(update={"quotas": None}), price(context, budget)
    place = pl.DataFrame({"id": context.eligible["id"], "place": np.arange(len(prices))})
    parts, wanted = zip(*quotas.parts(context, chosen.quotas), strict=True)
    orders, scores, facts = [], [], []
    for part, share in zip(parts, wanted, strict=True):
        its = math.ceil(share * spend)
        ranked = rank(part, alone, Budget(tokens=its) if budget.tokens is not None else Budget(rows=its))
        by_rank = ranked.rows.join(place, on="id", maintain_order="left")
        orders.append(by_rank["place"].to_numpy())
        scores.append(by_rank.sort("place")["score"].to_numpy())
        facts.append(ranked.facts)
    order, by = quotas.in_turn(orders, wanted, prices, spend)
    score = np.min(scores, axis=0)
    score[order] = np.array(scores)[by, order]
    found = {part.name: {"share": wanted[n], "picks": int((by == n).sum()), **facts[n]} for n, part in enumerate(parts)}
    moved = [one["lambda"] * share for one, share in zip(facts, wanted, strict=True) if "lambda" in one]
    return by_order(context, order, score, quotas=found, **({"lambda": sum(moved)} if moved else {}))
