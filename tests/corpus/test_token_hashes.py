import numpy as np
import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from getmore_assets.corpus import token_hashes
from getmore_assets.corpus.token_hashes import TokenHashes, hashes_of, mixed
from getmore_assets.corpus.tokens import stand_alone, tokens
from tests.scripts import SCRIPTS, written

PIECES = ["a", "B", "cd", "Word", "x1", "3", "_", " ", "  ", "\n", "\t", " - ", " / ", "-", "/", ".", ",", "(", "'"]
PIECES += ["+", "=", "\\", "\\alpha", "*", "**", "{", "}", "<", "^", "$", "~", "a" * 65, "é", "字", "²", "🙂", "\u200b"]
TEXTS = st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), max_size=6)


def same(texts: list[str]) -> None:
    """The hashes are those of the tokens, text by text."""
    series = pl.Series(texts, dtype=pl.String)
    found, wanted = TokenHashes.of(series), tokens(series)
    flat = wanted.explode().drop_nulls()
    assert found.counts.tolist() == wanted.list.len().to_list(), (texts, wanted.to_list())
    np.testing.assert_array_equal(found.hashes, hashes_of(flat))
    np.testing.assert_array_equal(found.long, flat.str.len_chars().to_numpy() > 1)
    np.testing.assert_array_equal(found.alone, stand_alone(flat).to_numpy())


@settings(max_examples=400, deadline=None)
@given(TEXTS)
@example(["x - - y", "x - - - y", "- ", " -", "a -", "- b"])
@example(["\\ - ", "aa - "])
@example(["\\ - ", "x = 1"])
@example(["x \\", "alpha + b", "", "", "=", "2 +"])
@example([])
def test_hashes_are_those_of_the_tokens(texts):
    same(texts)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(max_codepoint=127), max_size=30), max_size=5))
def test_hashes_are_those_of_the_tokens_of_any_ascii(texts):
    same(texts)


def test_hashes_are_those_of_the_tokens_of_real_texts(documents):
    same(documents["text"].head(2000).to_list())
    same([written(script, 0, 1, words=60) for script in SCRIPTS])


def test_hashing_does_not_depend_on_what_stands_beside(monkeypatch, documents):
    texts = pl.Series([*documents["text"].head(100).to_list(), "é" * 500 + " b c d"])
    whole = TokenHashes.of(texts).hashes
    monkeypatch.setattr(token_hashes, "_HASHED_AT_ONCE", 16)
    np.testing.assert_array_equal(TokenHashes.of(texts).hashes, whole)
    np.testing.assert_array_equal(TokenHashes.of(texts[50:]).hashes, whole[-len(TokenHashes.of(texts[50:]).hashes) :])


def test_different_strings_have_different_hashes(documents):
    words = tokens(documents["text"]).explode().drop_nulls().unique()
    assert len(words) > 10_000
    assert len(np.unique(hashes_of(words))) == len(words)


def test_runs_are_mixed_in_order():
    hashes = hashes_of(pl.Series(["a", "b", "c", "a", "b", "d"]))
    pairs, triples = mixed(hashes, 2), mixed(hashes, 3)
    assert pairs[0] == pairs[3]
    assert len(set(pairs.tolist())) == len(pairs) - 1
    assert len(set(triples.tolist())) == len(triples) == 4
    assert mixed(hashes[::-1], 2)[-1] != pairs[0]
    assert len(mixed(hashes[:1], 3)) == 0
