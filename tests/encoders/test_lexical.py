from collections import Counter

import numpy as np
import polars as pl
from scipy.sparse.linalg import svds

from getmore_assets.corpus.tokens import content_words, n_grams
from getmore_assets.encoders import lexical
from getmore_assets.encoders.lexical import LexicalEncoder


def test_counts_are_those_of_the_tokens_that_tell_and_of_their_pairs(documents):
    texts = [*documents["text"].head(300).to_list(), "", "!!!", "a b", "x = 3", "阿司匹林 抑制 COX", "one"]
    counts, told = lexical._counts(texts), content_words(pl.Series(texts)).to_list()
    assert counts.dtype == np.float32
    alike = 0
    for row, words in enumerate(told):
        often = sorted(1 + np.log(list(Counter(n_grams(words, 2)).values())))
        found = sorted(counts[row].data)
        # Two n-grams of a text may share a bucket.
        assert len(often) - len(found) in range(1 + len(often) // 40)
        alike += len(often) == len(found) and np.allclose(often, found, atol=1e-6)
    assert alike > 0.9 * len(texts)


def test_an_n_gram_has_its_bucket_in_every_text():
    one, other = lexical._counts(["red apples", "we ate green apples and red apples"])
    assert set(one.indices) < set(other.indices)
    assert len(one.indices) == 3


def test_the_fit_keeps_as_much_as_an_exact_decomposition(documents):
    texts = documents["text"].head(1500).to_list()
    idf, components = lexical._fit(texts, 40)
    weighted = lexical._counts(texts).multiply(idf).tocsr().astype(np.float64)
    weighted = weighted.multiply(1 / np.sqrt(weighted.power(2).sum(axis=1))).tocsr()
    exact = np.sort(svds(weighted, 40, random_state=0)[1])
    kept = np.sort(np.linalg.norm(weighted @ components, axis=0))
    np.testing.assert_allclose(components.T @ components, np.eye(40), atol=1e-4)
    assert (kept**2).sum() > 0.97 * (exact**2).sum()
    np.testing.assert_allclose(kept[-20:], exact[-20:], rtol=0.02)


def test_vectors_do_not_depend_on_what_is_encoded_beside(documents):
    texts = documents["text"].head(200).to_list()
    encoder = LexicalEncoder.fitted(texts, 16)
    together = encoder.encode(texts)
    apart = np.concatenate([encoder.encode(texts[at : at + 7]) for at in range(0, 200, 7)])
    np.testing.assert_allclose(together, apart, atol=1e-6)
    assert not encoder.encode(["zyzzyva", "", "..."]).any()


def test_fewer_directions_than_asked_for_are_no_numbers_that_are_not(documents):
    same = ["alpha beta gamma"] * 30
    vectors = LexicalEncoder.fitted([*same, "delta epsilon"], 5).encode([same[0], "delta epsilon"])
    assert np.isfinite(vectors).all()
    assert abs(vectors[0] @ vectors[1]) < 1e-3
