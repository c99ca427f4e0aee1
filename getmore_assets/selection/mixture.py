"""Shares of clusters by measured utility (CLIMB, RegMix): small warm-ups on random mixtures, and a regression on them.

Belongs here: clusters, mixtures, and the predicted best shares. Does not: warm-ups (`trials.py`).
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score

from getmore_assets.selection.context import SelectionContext
from getmore_assets.selection.trials import Trials

log = logging.getLogger(__name__)
_CLUSTERS, _PROBES, _TEXTS = 64, 24, 300
_BLOCK = 8192
_CONCENTRATION = 16.0  # of the Dirichlet distribution, whose mean is the target's histogram mixed with the pool's
_OF_POOL = 0.3
_OF_BUDGET = 0.1  # tokens of a probe
_DRAWN, _BEST = 20_000, 20  # mixtures whose loss is predicted; the mean of the best is taken
_PENALTIES = np.logspace(-4, 2, 13)


@dataclass(frozen=True)
class Mixture:
    """The order of the candidates, lowest first (`[n]`), and how it came about."""

    order: np.ndarray
    facts: dict[str, Any]


def best_shares(context: SelectionContext, price: np.ndarray, spend: float) -> Mixture:
    """Return the candidates in the order of the mixture whose predicted loss on target validation is lowest.

    Args:
        context: Candidates, target and base.
        price: Price of each candidate: `[n]`.
        spend: The budget, in the same unit.
    """
    n, draw = context.count, np.random.default_rng(0)
    x = np.concatenate([np.asarray(context.x[at : min(at + _BLOCK, n)]) for at in range(0, n, _BLOCK)])
    means = MiniBatchKMeans(_CLUSTERS, random_state=0, batch_size=_BLOCK, n_init=3).fit(x)
    cluster = means.labels_
    weights = context.points["weight"].to_numpy()
    wanted = np.bincount(means.predict(context.y), weights, _CLUSTERS) / weights.sum()
    pool = np.bincount(cluster, price, _CLUSTERS) / price.sum()
    centre = (1 - _OF_POOL) * wanted + _OF_POOL * pool
    probes = np.vstack([wanted, draw.dirichlet(_CONCENTRATION * centre + 1e-3, _PROBES - 1)])

    trials, validation = Trials(context), context.split("validation", _TEXTS)
    picks = [_first(context, _order(context.f, cluster, price, shares), price, _OF_BUDGET * spend) for shares in probes]
    texts = [context.texts_of(ids) for ids in picks]
    blocks = min(trials.blocks(each) for each in texts)
    losses = []
    for number, each in enumerate(texts):
        model, tokenizer = trials.base()
        trials.warm(model, tokenizer, each, 0, blocks)
        losses.append(trials.loss(model, tokenizer, validation))
        log.info("mixture %d of %d: loss %.4f on validation", number + 1, _PROBES, losses[-1])
    measured = np.array(losses)
    fit = RidgeCV(_PENALTIES).fit(probes, measured)
    r2 = float(r2_score(measured, _left_out(probes, measured, fit.alpha_)))
    drawn = draw.dirichlet(_CONCENTRATION * centre + 1e-3, _DRAWN)
    best = drawn[np.argsort(fit.predict(drawn))[:_BEST]].mean(0)
    log.info("mixture: R² %.2f left out one by one; loss %.4f of the target's histogram", r2, measured[0])
    facts = {"r2": r2, "losses": losses, "shares": best.tolist(), "histogram": wanted.tolist()}
    return Mixture(_order(context.f, cluster, price, best), facts)


def _left_out(shares: np.ndarray, losses: np.ndarray, penalty: float) -> np.ndarray:
    """Return the prediction of each loss by a regression without it: `[k]`."""
    predicted = np.empty(len(losses))
    for at in range(len(losses)):
        rest = np.arange(len(losses)) != at
        predicted[at] = RidgeCV([penalty]).fit(shares[rest], losses[rest]).predict(shares[at : at + 1])[0]
    return predicted


def _order(f: np.ndarray, cluster: np.ndarray, price: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return for each candidate the budget at which the mixture takes it, lowest f of its cluster first: `[n]`."""
    taken_at = np.empty(len(f))
    for number, share in enumerate(shares):
        rows = np.flatnonzero(cluster == number)
        rows = rows[np.argsort(f[rows], kind="stable")]
        taken_at[rows] = np.cumsum(price[rows]) / max(share, 1e-9)
    return taken_at


def _first(context: SelectionContext, order: np.ndarray, price: np.ndarray, spend: float) -> list[str]:
    """Return the ids of the first candidates within a budget."""
    ranked = np.argsort(order, kind="stable")
    ranked = ranked[np.cumsum(price[ranked]) <= spend]
    ids: list[str] = context.eligible["id"].gather(ranked).to_list()
    return ids
