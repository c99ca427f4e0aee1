import re

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from getmore_assets.corpus.passages import clean, cut
from getmore_assets.corpus.tokens import token_counts

texts = st.text(st.sampled_from('ab .!?\n"é'), max_size=400)


@given(texts, st.integers(10, 80))
def test_nothing_is_lost_or_repeated_and_no_passage_is_too_long(text, longest):
    pieces = cut(text, longest)
    assert re.sub(r"\s", "", "".join(pieces)) == re.sub(r"\s", "", text)
    assert all(0 < len(piece) <= longest for piece in pieces)


def test_cuts_fall_at_sentence_ends():
    assert cut("One is here. Two is there. Three.", 28) == ["One is here. Two is there.", "Three."]


def test_a_word_longer_than_a_passage_is_cut():
    assert cut("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]


def test_cleaning_keeps_lines_and_drops_control_characters():
    assert clean("a\r\nb \x00c\u0301\n") == "a\nb  c\u0301".replace("c\u0301", "ć")


def test_tokens_are_words_and_marks():
    assert token_counts(pl.Series(["Don't stop, 2026."])).to_list() == [7]
