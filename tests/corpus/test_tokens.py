import random

import numpy as np
import polars as pl
import pytest

from getmore_assets.corpus.duplicates import NearDuplicates
from getmore_assets.corpus.identity import content_id
from getmore_assets.corpus.leakage import Guard
from getmore_assets.corpus.passages import cut
from getmore_assets.corpus.shingles import Shingles
from getmore_assets.corpus.tokens import content_words, token_counts, tokens, words_and_marks
from getmore_assets.encoders.lexical import LexicalEncoder
from tests.scripts import SCRIPTS, WORDS, written


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The **bold** 5-fold café_x", ["the", "bold", "5", "fold", "café_x"]),
        ("x + 3 = 7", ["x", "+", "3", "=", "7"]),
        ("x - 3 = 7", ["x", "-", "3", "=", "7"]),
        ("pages 3 - 7, 1/2, and/or", ["pages", "3", "7", "1", "2", "and", "or"]),
        (r"\alpha + \beta", ["\\", "alpha", "+", "\\", "beta"]),
        ("猫が１２匹。", ["猫", "が", "12", "匹"]),
        ("กินน้ำ", ["กิ", "น", "น้", "ำ"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("كِتَابٌ", ["كتاب"]),
        ("\u200fשלום\u200e a\u00adb", ["שלום", "ab"]),
        ("cafe\u0301 m²", ["cafe\u0301", "m²"]),
        ("🙂👍", ["🙂", "👍"]),
        ("I like it 😂", ["i", "like", "it"]),
        ("ACGT" * 17, list("acgt" * 17)),
        ("ﬁrst oﬃce", ["first", "office"]),
        ("ﻣﺮﺣﺒﺎ", ["مرحبا"]),
        ("?! ...", []),
    ],
)
def test_tokens_of(text, found):
    assert tokens(pl.Series([text])).to_list() == [found]
    assert tokens(pl.Series(["a + b", text, "plain"])).to_list() == [["a", "+", "b"], found, ["plain"]]


def test_counts_have_every_mark_and_each_character_without_spaces():
    texts = pl.Series(["Well, (p < 0.05).", "猫が好き。", "กินน้ำ", "", "日本2024年"])
    assert token_counts(texts).to_list() == [10, 5, 4, 0, 4]
    assert words_and_marks(pl.Series(["f(a, b)! 猫"])).to_list() == [["f", "(", "a", ",", "b", ")!", "猫"]]


def test_what_tells_in_prose_is_words_and_in_formulas_all():
    assert content_words(pl.Series(["I saw a cat at 5 pm", "x + 3 = 7", "我猫"])).to_list() == [
        ["saw", "cat", "at", "pm"],
        ["x", "+", "3", "=", "7"],
        ["我", "猫"],
    ]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_test_row_with_one_character_changed_is_found(script):
    rows = [written(script, n % 2, n) for n in range(60)]
    evaluated = pl.DataFrame({"id": [f"t{n}" for n in range(30)], "split": "test", "text": rows[:30]})
    drawn, changed = random.Random(script), []
    for text in rows[:30]:
        places = [at for at, c in enumerate(text) if c.isalpha()]
        at = drawn.choice(places)
        changed.append(text[:at] + text[drawn.choice(places)] + text[at + 1 :])
    pool = pl.DataFrame({"id": [f"p{n}" for n in range(60)], "text": changed + rows[30:]})
    found = Guard(evaluated).leaks(pool)
    assert [f"p{n}" for n in range(30)] == found["id"].to_list()
    assert found["of"].to_list() == evaluated["id"].to_list()


@pytest.mark.parametrize("script", SCRIPTS)
def test_rows_near_a_subject_are_found_in_every_script(script):
    pool = [written(script, n % 8 != 0, n) for n in range(400)]
    target = [written(script, 0, 1000 + n) for n in range(30)]
    encoder = LexicalEncoder.fitted(pool, 64)
    near = encoder.encode(pool) @ encoder.encode(target).mean(0)
    assert np.mean(np.argsort(-near)[:50] % 8 == 0) >= 0.94


def test_rows_of_signs_are_no_copies_of_one_another():
    texts = ["x + 3 = 7", "x - 3 = 7", "y + 3 = 8", "!!!", "???", "...", "🙂🙂", "👍", "1 + 1 = 2", "2 + 2 = 4"]
    seen = NearDuplicates(0.8)
    assert seen.mark([content_id(text) for text in texts], Shingles.of(pl.Series(texts))) == [None] * len(texts)


@pytest.mark.parametrize("script", ["Chinese", "Thai", "Khmer", "Myanmar"])
def test_a_copy_without_spaces_with_a_word_changed_is_marked(script):
    text = written(script, 0, 1, words=120)
    copy = text.replace(WORDS[script][2].split()[2], WORDS[script][1].split()[2], 1)
    seen = NearDuplicates(0.8)
    assert seen.mark(["a", "b"], Shingles.of(pl.Series([text, copy]))) == [None, "a"]


def test_a_passage_is_not_cut_before_a_mark():
    text = "น้ำ" * 100
    for longest in range(10, 20):
        assert all(passage[0] not in "\u0e49" for passage in cut(text, longest))


def test_sentences_end_in_other_scripts():
    assert cut("यह एक वाक्य है। यह दूसरा वाक्य है।", 20) == ["यह एक वाक्य है।", "यह दूसरा वाक्य है।"]
    assert cut("هل هذا سؤال؟ هذا جواب طويل", 20)[0] == "هل هذا سؤال؟"
