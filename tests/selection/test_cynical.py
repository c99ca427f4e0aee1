"""Cynical selection against its definition, and what it is for: picks that complete each other."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from getmore_assets.selection import cynical


def reading(rows, batch=7):
    """Texts in batches, in an order of their own."""

    def texts(places):
        chosen = np.arange(len(rows)) if places is None else places
        for start in reversed(range(0, len(chosen), batch)):
            part = np.arange(start, min(start + batch, len(chosen)))
            yield part, [rows[chosen[at]] for at in part]

    return texts


def test_the_first_round_scores_by_the_mean_ratio_of_target_to_pool():
    rows = ["kinase binds", "stock market falls", "kinase market", "market"]
    _, scores = cynical.pick(reading(rows), ["kinase kinase binds"], np.ones(4), 0.5)
    grams = [Counter(row.split()) + Counter(map(" ".join, pairwise(row.split()))) for row in rows]
    target = Counter({"kinase": 2, "binds": 1, "kinase kinase": 1, "kinase binds": 1})
    pool = sum(grams, Counter())

    def share(counts, gram):
        return (counts[gram] + 1) / (counts.total() + 10_000)

    for row, counts in enumerate(grams):
        by_hand = sum(k * share(target, gram) / share(pool, gram) for gram, k in counts.items()) / counts.total()
        assert scores[row] == pytest.approx(-by_hand, rel=1e-9)


def test_picks_complete_each_other_where_one_shot_repeats_itself():
    """The target is half of one subject; the pool has more rows of the other, each a little nearer."""
    rng = np.random.default_rng(0)
    first, second, rest = ([f"{kind}{n}" for n in range(40)] for kind in ("a", "b", "c"))

    def text(words, count):
        return " ".join(rng.choice(words, count))

    pool = [text(first, 12) for _ in range(60)] + [text(second, 12) for _ in range(60)]
    pool += [text(rest, 12) for _ in range(600)]
    target = [text(first, 12) for _ in range(60)] + [text(second, 12) for _ in range(40)]
    order, scores = cynical.pick(reading(pool), target, np.ones(len(pool)), 50)
    assert len(set(order.tolist())) == 50
    picked = Counter("a" if row < 60 else "b" if row < 120 else "c" for row in order)
    one_shot = Counter("a" if row < 60 else "b" if row < 120 else "c" for row in np.argsort(scores, kind="stable")[:50])
    assert picked["c"] == 0
    assert 12 <= picked["b"] <= 28
    assert picked["b"] >= one_shot["b"] or one_shot["b"] <= 28


def test_the_order_in_which_texts_come_changes_nothing(documents):
    pool, target = documents["text"].head(90).to_list(), documents["text"].slice(90, 10).to_list()
    price = np.array([float(len(text.split())) for text in pool])
    found = [cynical.pick(reading(pool, batch), target, price, price.sum() / 4) for batch in (3, 90)]
    assert (found[0][0] == found[1][0]).all()
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-9)
    assert price[found[0][0]].sum() <= price.sum() / 4
