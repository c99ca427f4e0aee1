"""`got-d-rounds`: GOT-D in rounds, in which the rows picked so far count in the pool's weights."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import POTENTIALS, VECTORS, Kind, Picking

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


_PICKING = Picking(
    how="each round picks by potentials that count the picks so far; other rows follow by the last potentials",
    other_budget="with another budget, rounds of another size pick other rows",
    to_select="its potential would have to be among the lowest of the remaining rows in one of the rounds",
    to_drop="candidates with a lower potential in the round that picks it might leave it out",
)


def _rank(context: "SelectionContext", chosen: "Selector", budget: "Budget") -> "Ranking":
    from getmore_assets.config import AUTO
    from getmore_assets.selection import rounds
    from getmore_assets.selection.budget import within_budget
    from getmore_assets.selection.gradient import calibrated_gradient
    from getmore_assets.selection.lambda_estimate import estimated_lambda
    from getmore_assets.selection.ranking import by_order, by_score, price
    from getmore_assets.selection.trials import Trials, gain

    settings, (prices, spend), facts = chosen.rounds, price(context, budget), {}
    share = settings.lambda_
    if share == AUTO:
        one_shot = by_score(calibrated_gradient(context.f)).rows(context.eligible)
        moves = Trials(context).moves(within_budget(one_shot, budget)["id"].to_list())
        share, facts["losses"] = estimated_lambda(moves), moves.__dict__
    weight = settings.loss_weight
    bonus = weight * context.epsilon * gain(context, prices, spend) if weight else 0.0
    plan, damping = rounds.plan_of(context), settings.damping
    picked = rounds.pick(plan, prices, spend, settings.rounds, float(share), damping=damping, bonus=bonus)
    scores = picked.f.copy()
    scores[picked.order] = picked.score
    result = {"lambda": float(share), "costs": picked.costs, "picks_by_round": picked.by_round}
    return by_order(picked.order, scores, **result, **facts)


def _needs_base_model(chosen: "Selector") -> bool:
    return chosen.rounds.lambda_ == "auto" or chosen.rounds.loss_weight > 0


def _picking(chosen: "Selector") -> Picking | None:
    settings = chosen.rounds
    is_got_d = settings.rounds == 1 and settings.damping is None and not settings.loss_weight
    return None if is_got_d else _PICKING


KIND = Kind(
    name="got-d-rounds",
    ranks_by="the same in rounds: after r of R, the picks so far count in the pool's weights, a = s D_U + (1−s) D_S "
    "with s = λ r/R, and potentials are solved again from the last g. A pick's weight is its number of tokens. "
    "`damping` postpones near copies of a pick; `loss` adds the cross-entropy difference",
    rank=_rank,
    settings=("rounds", "quotas"),
    reads=frozenset({VECTORS, POTENTIALS}),
    needs_base_model=_needs_base_model,
    plans=True,
    picking=_picking,
    to_be_taken="a target with more rows like it would lower its score: see its closest target rows",
)
