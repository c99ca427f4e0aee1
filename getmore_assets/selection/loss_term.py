"""The cross-entropy difference (Moore & Lewis, ACL 2010): which candidates it is measured for, and how it is predicted.

Belongs here: the difference as a score, and as a term of rounds. Does not: tuning a model and measuring losses
(`trials.py`).
"""

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.linear_model import Ridge
from sklearn.preprocessing import normalize

from getmore_assets.corpus.tokens import words_and_marks
from getmore_assets.selection.context import SelectionContext
from getmore_assets.selection.dsir import hashed
from getmore_assets.selection.trials import Trials

if TYPE_CHECKING:
    from getmore_assets.config.selection import Rounds

log = logging.getLogger(__name__)
_MEASURED = 10  # times the budget: the candidates, lowest f first, whose difference is measured
_PENALTIES = (0.01, 0.1, 1.0, 10.0)  # of ridge; chosen on a fifth of the measured rows
_BLOCK = 8192


def difference(
    context: SelectionContext, rows: np.ndarray | None = None, *, halves: bool = False, relative: bool = False
) -> np.ndarray:
    """Return the cross-entropy difference of some candidates or all, in nats per token: `[n]`, float64.

    It is the loss under the base lightly tuned on target train, minus the loss under the base: low for text that is
    like the target and unlike the base's training data.

    Args:
        context: Candidates, target and base.
        rows: Indices of the candidates: `[n]`, int64; None for all.
        halves: The mean of two models, each tuned on every second row of target train.
        relative: The difference relative to the base's loss on the same text, times the mean of these losses.
    """
    trials, train = Trials(context), context.split("train")
    parts = [train[::2], train[1::2]] if halves else [train]
    base = trials.losses(rows)
    differences: np.ndarray = np.mean([trials.losses_after(part, rows) for part in parts], 0) - base
    return differences / base * float(base.mean()) if relative else differences


def gain(context: SelectionContext, price: np.ndarray, spend: float, settings: "Rounds") -> tuple[np.ndarray, Any]:
    """Return the difference of each candidate, measured only for some: `[n]`, float64; and how well it is predicted.

    Measuring takes two passes of a model. Without `loss_sample` the candidates with the lowest f are measured, and the
    others, which are almost never selected, get the highest value measured. With `loss_sample` so many random
    candidates are measured, and the others' difference is predicted by ridge regression on hashed n-grams and vectors.
    """
    how = {"halves": settings.loss_halves, "relative": settings.loss_relative}
    if settings.loss_sample:
        return predicted(context, np.arange(min(settings.loss_sample, context.count)), how)  # ids are hashes
    ranked = np.argsort(context.f, kind="stable")
    near = np.sort(ranked[: int(np.searchsorted(np.cumsum(price[ranked]), _MEASURED * spend)) + 1])
    measured = difference(context, near, **how)
    gains = np.full(len(price), measured.max())
    gains[near] = measured
    return gains, None


def predicted(context: SelectionContext, rows: np.ndarray, how: dict[str, bool]) -> tuple[np.ndarray, float]:
    """Measure the difference of some candidates and predict that of the others; return all, and R² on held-out rows.

    Args:
        context: Candidates, target and base.
        rows: Indices of the measured candidates: `[k]`, int64.
        how: Arguments of `difference`.
    """
    measured = difference(context, rows, **how)
    features = _features(context)
    held = np.arange(len(rows)) % 5 == 0
    models = [Ridge(penalty, solver="lsqr").fit(features[rows[~held]], measured[~held]) for penalty in _PENALTIES]
    scores = [float(model.score(features[rows[held]], measured[held])) for model in models]
    best = Ridge(_PENALTIES[int(np.argmax(scores))], solver="lsqr").fit(features[rows], measured)
    log.info("the loss difference is predicted with R² %.2f", max(scores))
    gains: np.ndarray = best.predict(features)
    gains[rows] = measured
    return gains, max(scores)


def _features(context: SelectionContext) -> csr_matrix:
    """Return shares of hashed n-grams and the vector of each candidate: `[n, 10,000 + d]`."""
    parts: list[Any] = []
    order: list[np.ndarray] = []
    for indices, texts in context.texts():
        counts = hashed(words_and_marks(pl.Series(texts, dtype=pl.String)))
        parts.append(normalize(counts).astype(np.float32))
        order.append(indices)
    grams = vstack(parts).tocsr()[np.argsort(np.concatenate(order))]
    n = context.count
    vectors = np.concatenate([np.asarray(context.x[at : min(at + _BLOCK, n)]) for at in range(0, n, _BLOCK)])
    return hstack([grams, csr_matrix(vectors)]).tocsr()
