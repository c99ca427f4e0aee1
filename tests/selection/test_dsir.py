import re
from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl
from sklearn.utils import murmurhash3_32

from getmore_assets.selection import dsir


def buckets(text):
    """Hashed unigrams and bigrams of words and runs of punctuation, counted by hand."""
    words = re.findall(r"\w+|[^\w\s]+", text.lower())
    grams = words + [f"{a} {b}" for a, b in pairwise(words)]
    return Counter(abs(murmurhash3_32(gram, 0)) % 10_000 for gram in grams)


def test_log_weights_are_those_of_the_two_bags_of_n_grams(documents):
    pool, target = documents["text"].head(60).to_list(), documents["text"].slice(60, 20).to_list()

    def batches():
        yield np.arange(30, 60), pool[30:]  # in whatever order they come
        yield np.arange(30), pool[:30]

    found = dsir.log_weights(60, batches(), batches(), target)
    raw, wanted = (sum((buckets(text) for text in texts), Counter()) for texts in (pool, target))
    for row in (0, 31, 59):
        by_hand = sum(
            count * (np.log(wanted[b] / wanted.total() + 1e-8) - np.log(raw[b] / raw.total() + 1e-8))
            for b, count in buckets(pool[row]).items()
        )
        assert np.isclose(found[row], by_hand, rtol=1e-9)


def test_the_draw_depends_on_id_and_seed_and_prefers_high_weights():
    ids = pl.Series([f"{i:032x}" for i in range(4000)])
    noise = dsir.gumbel(ids, 0)
    assert noise[100] == dsir.gumbel(ids[100:], 0)[0]
    assert (noise != dsir.gumbel(ids, 1)).all()
    assert abs(noise.mean() - np.euler_gamma) < 0.1
    weights = np.where(np.arange(4000) % 2, 1.0, 0.0)  # e times as likely
    first = np.argsort(-(weights + noise))[:400]
    assert 0.66 < (first % 2).mean() < 0.80  # e / (1 + e) = 0.73
