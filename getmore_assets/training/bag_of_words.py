"""A bag-of-words classifier: the reference that a base model must beat before its warm-up can be evaluated.

Belongs here: logistic regression on TF-IDF of words and word pairs. Does not: metrics (`evaluation.py`).
"""

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from getmore_assets.corpus.tokens import n_grams, tokens

_INVERSE_PENALTIES = (1.0, 10.0, 100.0)  # C of the regression; chosen on validation
_WIDEST = 2
_MOST_STEPS = 2000


def predict(
    train: tuple[list[str], list[str]], validation: tuple[list[str], list[str]], test: list[str]
) -> tuple[list[str], float]:
    """Return the label of each text of test, and the inverse penalty C with the highest accuracy on validation.

    Args:
        train: Texts and labels.
        validation: Texts and labels; where there are none, the first C is used.
        test: Texts.
    """
    if len(set(train[1])) == 1:
        return [train[1][0]] * len(test), _INVERSE_PENALTIES[0]
    words = TfidfVectorizer(analyzer=lambda of: n_grams(of, _WIDEST), sublinear_tf=True)
    seen, held, asked = words.fit_transform(_tokens(train[0])), validation[0], test
    best, right = None, -1.0
    for penalty in _INVERSE_PENALTIES:
        model = LogisticRegression(C=penalty, max_iter=_MOST_STEPS).fit(seen, train[1])
        share = model.score(words.transform(_tokens(held)), validation[1]) if held else 0.0
        if share > right:
            best, right, chosen = model, share, penalty
    assert best is not None
    labels: np.ndarray = best.predict(words.transform(_tokens(asked)))
    return labels.tolist(), chosen


def _tokens(texts: list[str]) -> list[list[str]]:
    return tokens(pl.Series(texts, dtype=pl.String)).to_list()
