"""`race`: small warm-ups on the first picks of several selectors; the winner gets the budget."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind, always

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


def _rank(context: "SelectionContext", chosen: "Selector", budget: "Budget") -> "Ranking":
    from collections.abc import Callable
    from dataclasses import replace

    from getmore_assets.config import Budget
    from getmore_assets.selection import race
    from getmore_assets.selection.budget import within_budget
    from getmore_assets.selection.ranking import price
    from getmore_assets.selection.selectors import rank
    from getmore_assets.selection.trials import Trials

    _, spend = price(context, budget)
    tokens = spend * (1.0 if budget.tokens is not None else float(context.n_tokens.mean()))
    small = Budget(tokens=max(1, int(chosen.share * tokens)))

    def first_picks(contestant: "Selector") -> Callable[[], list[str]]:
        def pick() -> list[str]:
            return within_budget(rank(context, contestant, small).rows(context.eligible), small)["id"].to_list()

        return pick

    contestants = {contestant.called: contestant for contestant in chosen.entrants}
    results = race.run(Trials(context), {name: first_picks(each) for name, each in contestants.items()})
    winner = contestants[results[0].contestant]
    ranking = rank(context, winner, budget)
    heats = [
        {"entrant": one.contestant, "loss": one.loss, "blocks": one.blocks, "seconds": one.seconds} for one in results
    ]
    return replace(ranking, facts={**ranking.facts, "winner": winner.called, "heats": heats})


KIND = Kind(
    name="race",
    ranks_by="small warm-ups on the first picks of several selectors, evaluated on target validation; the winner "
    "gets the budget",
    rank=_rank,
    settings=("entrants", "share"),
    needs_base_model=always,
    plans=True,
)
