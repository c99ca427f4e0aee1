"""DSIR: importance resampling on hashed n-grams (Xie et al., NeurIPS 2023).

Belongs here: hashed n-grams, the models of target and pool, and the Gumbel noise. Does not: the original's quality
filter, which its authors apply to web text beforehand.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer

from getmore_assets.corpus.identity import sampling_numbers
from getmore_assets.corpus.tokens import n_grams, words_and_marks

_BUCKETS, _WIDEST = 10_000, 2  # as in the original
_SMOOTHING = 1e-8
_HASHING = HashingVectorizer(
    n_features=_BUCKETS, analyzer=partial(n_grams, widest=_WIDEST), alternate_sign=False, norm=None
)

Batches = Iterator[tuple[np.ndarray, list[str]]]


def log_weights(n: int, pool: Batches, again: Batches, target: list[str]) -> np.ndarray:
    """Return the log of target density over pool density of each candidate, up to a constant: `[n]`, float64.

    Args:
        n: Number of candidates.
        pool: Indices and texts of the candidates, in batches, for counting n-grams.
        again: The same batches once more, for computing the weights.
        target: Texts of target train.
    """
    raw = np.zeros(_BUCKETS)
    for _, texts in pool:
        raw += np.asarray(_hashed(texts).sum(0))[0]
    counts = np.asarray(_hashed(target).sum(0))[0]
    ratio = np.log(counts / counts.sum() + _SMOOTHING) - np.log(raw / raw.sum() + _SMOOTHING)
    weights = np.empty(n)
    for indices, texts in again:
        weights[indices] = _hashed(texts) @ ratio
    return weights


def hashed(tokens: pl.Series) -> csr_matrix:
    """Return the number of n-grams of each text (a list of tokens) in each bucket: `[n, 10,000]`, float64."""
    return _HASHING.transform(tokens.to_list())


def _hashed(texts: list[str]) -> csr_matrix:
    return hashed(words_and_marks(pl.Series(texts, dtype=pl.String)))


def gumbel(ids: pl.Series, seed: int) -> np.ndarray:
    """Return Gumbel noise that depends only on id and seed: `[n]`.

    The rows with the highest sums of log weight and noise are a weighted sample without replacement.
    """
    uniform = sampling_numbers(ids, f"dsir-{seed}")
    noise: np.ndarray = -np.log(-np.log(np.clip(uniform, 1e-300, 1 - 1e-16)))
    return noise
