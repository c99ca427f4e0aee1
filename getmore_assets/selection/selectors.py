"""Every selector under one interface: a ground, a budget and a seed in; all candidates by rank out.

Belongs here: which function a selector's name means, and what each is given. Does not: how one chooses. To add one: a
function here that returns a `Ranked`, a line in `SELECTORS`, and its name in `config/selection.py`. What loads torch or
scikit-learn is imported where it is asked for: a warm reselection by scores alone takes less time than loading them.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from getmore_assets.config import AUTO, Budget, Selector
from getmore_assets.errors import BadInput
from getmore_assets.selection import gradient, imported, subset
from getmore_assets.selection.ground import Ground
from getmore_assets.selection.strength import strength

if TYPE_CHECKING:
    from getmore_assets.selection.rounds import Plan
    from getmore_assets.selection.trials import Trials


_AMONG = 10  # times the budget: the candidates, nearest first, whose loss is measured


@dataclass(frozen=True)
class Ranked:
    """What a selector makes of its ground.

    Attributes:
        rows: Every candidate by `rank`, from 1, with its `score`, the smallest first.
        facts: What else it found out (JSON-like).
    """

    rows: pl.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)


def rank(ground: Ground, chosen: Selector, budget: Budget) -> Ranked:
    """Let a selector choose.

    Args:
        ground: What from.
        chosen: The selector and its settings.
        budget: How much will be taken of it. Selectors that pick one after the other stop there; what they left follows
            in the order of their last scores.

    Raises:
        BadInput: The selector cannot work on this ground.
    """
    budget = subset.resolved(budget, ground.eligible.height)
    if chosen.quotas:
        return _by_quotas(ground, chosen, budget)
    return SELECTORS[chosen.selector](ground, chosen, budget)


def _by_score(ground: Ground, scores: np.ndarray, **facts: Any) -> Ranked:
    return Ranked(subset.rank_by_score(ground.eligible.with_columns(pl.Series("score", scores))), facts)


def _by_order(ground: Ground, order: np.ndarray, scores: np.ndarray, **facts: Any) -> Ranked:
    """What was picked, in order, then the rest by score."""
    turn = np.full(ground.eligible.height, len(order), np.int64)
    turn[order] = np.arange(len(order))
    rows = ground.eligible.with_columns(pl.Series("score", scores), pl.Series("turn", turn)).sort("turn", "score", "id")
    return Ranked(subset.numbered(rows.drop("turn")), facts)


def _price(ground: Ground, budget: Budget) -> tuple[np.ndarray, float]:
    """What each candidate costs, and how much may be spent."""
    if budget.tokens is not None:
        return ground.n_tokens, float(budget.tokens)
    assert budget.rows is not None
    return np.ones(ground.eligible.height), float(budget.rows)


def _by_quotas(ground: Ground, chosen: Selector, budget: Budget) -> Ranked:
    from getmore_assets.selection import quotas

    assert chosen.quotas is not None
    alone, (price, spend) = chosen.model_copy(update={"quotas": None}), _price(ground, budget)
    place = pl.DataFrame({"id": ground.eligible["id"], "place": np.arange(len(price))})
    parts, wanted = zip(*quotas.parts(ground, chosen.quotas), strict=True)
    orders, scores, facts = [], [], []
    for part, share in zip(parts, wanted, strict=True):
        its = math.ceil(share * spend)
        ranked = rank(part, alone, Budget(tokens=its) if budget.tokens is not None else Budget(rows=its))
        by_rank = ranked.rows.join(place, on="id", maintain_order="left")
        orders.append(by_rank["place"].to_numpy())
        scores.append(by_rank.sort("place")["score"].to_numpy())
        facts.append(ranked.facts)
    order, by = quotas.in_turn(orders, wanted, price, spend)
    score = np.min(scores, axis=0)
    score[order] = np.array(scores)[by, order]
    found = {part.name: {"share": wanted[n], "picks": int((by == n).sum()), **facts[n]} for n, part in enumerate(parts)}
    moved = [one["lambda"] * share for one, share in zip(facts, wanted, strict=True) if "lambda" in one]
    return _by_order(ground, order, score, quotas=found, **({"lambda": sum(moved)} if moved else {}))


def _got_d(ground: Ground, _chosen: Selector, _budget: Budget) -> Ranked:
    return _by_score(ground, gradient.calibrated_gradient(ground.f))


def plan_of(ground: Ground) -> "Plan":
    """The transport problem of a ground, with weights that may be moved."""
    from getmore_assets.selection.rounds import Plan

    settings = ground.task.transport
    return Plan(
        ground.x,
        ground.y,
        ground.points["weight"].to_numpy(),
        ground.n_tokens,
        ground.epsilon,
        ground.relaxation,
        settings.max_passes,
        settings.memory_mb,
        known=(ground.points["potential"].to_numpy(), ground.f),
    )


def _trials(ground: Ground) -> "Trials":
    from getmore_assets.selection.trials import Trials

    return Trials(ground)


def _rounds(ground: Ground, chosen: Selector, budget: Budget) -> Ranked:
    from getmore_assets.selection import rounds

    asked, (price, spend), facts = chosen.rounds, _price(ground, budget), {}
    share = asked.lambda_
    if share == AUTO:
        one_shot = subset.take(_got_d(ground, chosen, budget).rows, budget)["id"].to_list()
        moves = _trials(ground).moves(one_shot)
        share, facts["losses"] = strength(moves), moves.__dict__
    bonus = asked.loss * ground.epsilon * _gain(ground, price, spend) if asked.loss else 0.0
    picked = rounds.pick(plan_of(ground), price, spend, asked.rounds, float(share), damping=asked.damping, bonus=bonus)
    scores = picked.f.copy()
    scores[picked.order] = picked.score
    found = {"lambda": float(share), "costs": picked.costs, "picks_by_round": picked.by_round}
    return _by_order(ground, picked.order, scores, **found, **facts)


def _contrast(ground: Ground, chosen: Selector, _budget: Budget) -> Ranked:
    from getmore_assets.selection import contrast

    away, facts = contrast.potentials(ground)
    towards, away = gradient.calibrated_gradient(ground.f), gradient.calibrated_gradient(away)
    return _by_score(ground, (1 - chosen.push) * towards - chosen.push * away, **facts)


def _random(ground: Ground, chosen: Selector, _budget: Budget) -> Ranked:
    return Ranked(subset.rank_at_random(ground.eligible, chosen.seed))


def _domain(ground: Ground, chosen: Selector, budget: Budget) -> Ranked:
    from getmore_assets.selection import nearest_domains

    rows = nearest_domains.rank(ground.eligible, ground.nearness(), *_price(ground, budget), chosen.seed)
    return Ranked(rows, {"domains": sorted(rows.filter(pl.col("score") < 1)["domain"].unique())})


def _knn(ground: Ground, _chosen: Selector, budget: Budget) -> Ranked:
    from getmore_assets.selection import neighbours

    (price, spend), memory_mb = _price(ground, budget), ground.task.transport.memory_mb
    order = neighbours.round_robin(ground.x, ground.y, price, spend, memory_mb)
    return _by_order(ground, order, neighbours.nearness(ground.x, ground.y, memory_mb))


def _mean(ground: Ground, _chosen: Selector, _budget: Budget) -> Ranked:
    from getmore_assets.selection import neighbours

    return _by_score(ground, neighbours.nearness_to_mean(ground.x, ground.y, ground.rows["weight"].to_numpy()))


def _dsir(ground: Ground, chosen: Selector, _budget: Budget) -> Ranked:
    from getmore_assets.selection import dsir

    n = ground.eligible.height
    weights = dsir.log_weights(n, ground.texts(), ground.texts(), ground.split("train"))
    return _by_score(ground, -(weights + dsir.gumbel(ground.eligible["id"], chosen.seed)))


def _cynical(ground: Ground, _chosen: Selector, budget: Budget) -> Ranked:
    from getmore_assets.selection import cynical

    def texts(places: np.ndarray | None) -> Iterator[tuple[np.ndarray, list[str]]]:
        return ground.texts(None if places is None else ground.eligible["id"].gather(places))

    order, scores = cynical.pick(texts, ground.split("train"), *_price(ground, budget))
    return _by_order(ground, order, scores)


def _perplexity(ground: Ground, _chosen: Selector, _budget: Budget) -> Ranked:
    return _by_score(ground, _trials(ground).losses())


def _moore_lewis(ground: Ground, _chosen: Selector, _budget: Budget) -> Ranked:
    return _by_score(ground, _difference(ground))


def _gain(ground: Ground, price: np.ndarray, spend: float) -> np.ndarray:
    """Cross-entropy difference, measured of the nearest candidates alone, for it costs two passes of a model: `[n]`.

    The others, which all but never come into question, count as the worst of these.
    """
    ranked = np.argsort(ground.f, kind="stable")
    near = np.sort(ranked[: int(np.searchsorted(np.cumsum(price[ranked]), _AMONG * spend)) + 1])
    found = _difference(ground, near)
    gain = np.full(len(price), found.max())
    gain[near] = found
    return gain


def _difference(ground: Ground, rows: np.ndarray | None = None) -> np.ndarray:
    """Cross-entropy difference of candidates, in nats a token (Moore & Lewis, ACL 2010): `[n]`, or of some, float64.

    Its loss under the base lightly tuned on target train, less its loss under the base: low where text is like the
    target and not like what the base knows already.
    """
    trials = _trials(ground)
    difference: np.ndarray = trials.losses_after(ground.split("train"), rows) - trials.losses(rows)
    return difference


def _imported(ground: Ground, chosen: Selector, _budget: Budget) -> Ranked:
    assert chosen.imported is not None
    wanted = imported.read(chosen.imported, ground.task)
    place = ground.eligible.select("id").with_columns(place=np.arange(ground.eligible.height))
    met = wanted.join(place, on="id", how="left", maintain_order="left")
    lost = met.filter(pl.col("place").is_null())
    if lost.height == met.height:
        what = f"none of its {met.height} rows may be chosen, the first is {lost['origin'][0]}"
        raise BadInput(chosen.imported.path, what, "Check that it was chosen from this pool")
    order = met["place"].drop_nulls().to_numpy()
    scores = np.full(ground.eligible.height, float(len(order)))
    scores[order] = np.arange(len(order))
    facts = {"imported": met.height, "not_candidates": lost.height, "first": lost["origin"].head(10).to_list()}
    taken = _by_order(ground, order, scores, **facts)
    return Ranked(taken.rows.head(len(order)), facts)  # what the other tool left out is not its choice


def _race(ground: Ground, chosen: Selector, budget: Budget) -> Ranked:
    from getmore_assets.selection import race

    _, spend = _price(ground, budget)
    tokens = spend * (1.0 if budget.tokens is not None else float(ground.n_tokens.mean()))
    small = Budget(tokens=max(1, int(chosen.share * tokens)))

    def of(entrant: Selector) -> Callable[[], list[str]]:
        def choose() -> list[str]:
            return subset.take(rank(ground, entrant, small).rows, small)["id"].to_list()

        return choose

    heats = race.run(_trials(ground), {one.called: of(one) for one in chosen.entrants})
    winner = next(one for one in chosen.entrants if one.called == heats[0].entrant)
    won = rank(ground, winner, budget)
    return Ranked(won.rows, {**won.facts, "winner": winner.called, "heats": [heat.__dict__ for heat in heats]})


SELECTORS: dict[str, Callable[[Ground, Selector, Budget], Ranked]] = {
    "got-d": _got_d,
    "got-d-rounds": _rounds,
    "contrast": _contrast,
    "random": _random,
    "domain": _domain,
    "knn": _knn,
    "mean": _mean,
    "dsir": _dsir,
    "cynical": _cynical,
    "perplexity": _perplexity,
    "moore-lewis": _moore_lewis,
    "imported": _imported,
    "race": _race,
}
"""Name in the task file → what it does."""
