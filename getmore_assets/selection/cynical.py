"""Cynical selection with the pool as prior: rounds that bring the n-grams of pool and picks nearer to the target's.

Belongs here: the rounds, on hashed n-grams. Does not: hashing (`dsir.py`), or transport (`rounds.py`).

Cynical selection (Axelrod, 2017) adds the sentence that most lowers the cross-entropy of the target under the picks so
far. Here picks and pool count together, as in GOT-D: the model ends at λ p_U + (1 - λ) p_S, where p_U are the n-grams
of the picks and p_S those of the pool, and the derivative of KL(p_T ‖ s p_U + (1 - s) p_S) shows which n-grams are
missing. So the score of a row is the mean of p_T / (s p_U + (1 - s) p_S) over its n-grams, after r of R rounds with
s = λ r / R. It needs no encoder and no model.
"""

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix, vstack

from getmore_assets.corpus.tokens import tokens
from getmore_assets.selection.dsir import Batches, hashed

_ROUNDS = 24
_SHARE = 0.9  # λ: the assumed effect of the warm-up, from 0 (model of the pool) to 1 (model of the picks)
_CONSIDERED = 20  # times the budget: rounds pick among this many rows, the best by the score before any pick


def pick(
    texts: Callable[[np.ndarray | None], Batches], target: list[str], price: np.ndarray, budget: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pick in rounds, each an equal part of the budget.

    Args:
        texts: Takes indices of candidates, or None for all; returns their texts in batches, with their
            positions among the given indices.
        target: Texts of target train.
        price: Price of each candidate, 1 or its tokens: `[n]`.
        budget: The budget in the same unit.

    Returns:
        Indices of the picks in order: `[k]`, int64; and the score of every candidate, lowest first: `[n]`, float64.
    """
    n = len(price)
    prior = _shares(np.sum([_counts(_hashed(batch)) for _, batch in texts(None)], axis=0))
    target_shares = _shares(_counts(_hashed(target)))
    scores = np.empty(n)
    for indices, batch in texts(None):
        scores[indices] = -_means(_hashed(batch)) @ (target_shares / prior)
    ranked = np.argsort(scores, kind="stable")
    near = np.sort(ranked[: int(np.searchsorted(np.cumsum(price[ranked]), _CONSIDERED * budget)) + 1])
    parts = [(indices, _hashed(batch)) for indices, batch in texts(near)]
    in_order = np.argsort(np.concatenate([indices for indices, _ in parts]))
    rows = vstack([part for _, part in parts]).tocsr()[in_order]
    means, prices = _means(rows), price[near]
    taken, picked, spent = np.zeros(len(near), bool), np.zeros(rows.shape[1]), 0.0
    order: list[int] = []
    for number in range(_ROUNDS):
        share = _SHARE * number / _ROUNDS if order else 0.0
        in_round = -means @ (target_shares / (share * _shares(picked) + (1 - share) * prior))
        for row in np.argsort(in_round, kind="stable"):
            if taken[row]:
                continue
            if spent + prices[row] > budget * (number + 1) / _ROUNDS:
                break
            taken[row], spent = True, spent + prices[row]
            order.append(int(row))
            scores[near[row]] = in_round[row]
        picked = _counts(rows[order])
    return near[np.array(order, np.int64)], scores


def _hashed(texts: list[str]) -> csr_matrix:
    """Hash words without punctuation: otherwise a target with markup would pick rows with brackets."""
    return hashed(tokens(pl.Series(texts, dtype=pl.String)))


def _counts(rows: csr_matrix) -> np.ndarray:
    counts: np.ndarray = np.asarray(rows.sum(0), np.float64)[0]
    return counts


def _shares(counts: np.ndarray) -> np.ndarray:
    """Return counts as a distribution, with one added to each count, so that no n-gram has the share 0."""
    return np.asarray((counts + 1) / (counts + 1).sum())


def _means(rows: csr_matrix) -> csr_matrix:
    """Return each row divided by its number of n-grams."""
    lengths = np.asarray(rows.sum(1))[:, 0]
    return rows.multiply(1 / np.maximum(lengths, 1)[:, None]).tocsr()
