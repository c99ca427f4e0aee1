import numpy as np
import polars as pl
import pytest

from getmore_assets.corpus import shingles
from getmore_assets.corpus.shingles import Shingles, similarities

HASHES = [731462080, 2713690854, 2910667460, 3468262767, 1774579824, 1821893708]
HASHES += [2905688425, 3606613795, 3855716535, 2436241622]
SIGNATURES = [[1793420854, 1977420300], [132099553, 915441081], [3956218022, 1758743074]]


def of(texts: list[str]) -> Shingles:
    return Shingles.of(pl.Series(texts, dtype=pl.String))


def test_shingles_are_those_of_the_definition():
    texts = ["a b c d", "a b c d a b c", "b c d", "a b", "a", "", "...", "!!!", " ! \n !! "]
    sets = [set(of([text]).hashes.tolist()) for text in texts]
    assert [len(one) for one in sets] == [2, 4, 1, 1, 1, 1, 1, 1, 1]
    assert sets[0] < sets[1]
    assert sets[2] < sets[0]
    assert len(set.union(*sets[3:])) == 6  # none of the short ones is another
    together = of(texts)
    for row, one in enumerate(sets):
        assert together.rows(np.array([row])).hashes.tolist() == sorted(one)


def test_stored_hashes_are_the_same_for_ever():
    found = of(["Aspirin inhibits COX-2 in vivo.", "Σ 阿司匹林 抑制", "x = 3"])
    assert found.hashes.tolist() == HASHES
    assert found.signatures()[:, :2].tolist() == SIGNATURES


def test_signatures_estimate_similarity_without_bias(documents):
    texts = documents.filter(documents["text"].str.len_chars() > 300)["text"].head(300).to_list()
    copies = [" ".join(text.split()[len(text.split()) // 6 :]) for text in texts]
    one, other = of(texts), of(copies)
    exact = similarities(one, other)
    off = (one.signatures() == other.signatures()).mean(axis=1) - exact
    assert 0.5 < exact.mean() < 0.95
    assert abs(off.mean()) < 0.01
    assert off.std() < 1.2 * np.sqrt((exact * (1 - exact)).mean() / shingles.PERMUTATIONS)


@pytest.mark.parametrize("length", [3000, 40_000])
def test_long_texts_are_compared_by_a_sample_of_their_shingles(length):
    words = [f"w{i}" for i in range(length)]
    one, other = of([" ".join(words)]), of([" ".join(words[: length * 9 // 10])])
    assert one.sizes[0] == other.sizes[0] == shingles.MOST
    assert similarities(one, other)[0] == pytest.approx(0.9, abs=0.03)
    assert similarities(one, one)[0] == 1
