r"""The definition of a token, in any script, for counts, shingles, n-grams and the lexical encoder.

Belongs here: splitting texts into tokens. Does not: hashing tokens (`token_hashes.py`), or a model's tokenizer.

| text | a token is |
|---|---|
| a script with spaces (Latin, Arabic, Devanagari, Hangul, ...) | a run of letters, marks, digits and `_`, lower case |
| a script without spaces (Han, kana, Thai, Lao, Khmer, Myanmar, ...) | a character with its marks |
| a run of more than 64 letters and digits (DNA, base64) | a character |
| signs among operands (`+ = < ^ \ * { }`, symbols, emoji; ` - ` and ` / ` beside a letter) | a sign |

An operand is a single letter, a token with a digit, or a LaTeX command. A sign is a token if its neighbours on both
sides are operands or the text's ends: `x + 3 = 7` has five tokens, and the asterisks of `**bold**` are no tokens. As
only neighbours count, a changed character changes few tokens.

Ignored: case, white space, other punctuation, full width, ligatures, soft hyphens, zero-width and direction marks, and
the vowel signs of Arabic and Hebrew, which are optional in writing.
"""

import re

import numpy as np
import polars as pl

#: The tokens of a row, from the 32-bit column of the pool. The tokens of many rows are more than 32 bits hold.
COUNT = pl.col("n_tokens").cast(pl.Int64)

VERSION = "2"  # of the definition (1 was `\w+`); stored counts and shingles of another version are computed again
LONGEST = 64  # characters; longer runs are not words

_UNSPACED = "".join(
    rf"\p{{{script}}}"
    for script in (
        *("Han", "Hiragana", "Katakana", "Bopomofo", "Yi", "Tangut"),
        *("Thai", "Lao", "Khmer", "Myanmar", "Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet", "Ahom"),
        *("Javanese", "Balinese"),
    )
)
_ALONE = rf"[[{_UNSPACED}ーｰ]&&[\p{{L}}\p{{Nl}}]]"  # Unicode assigns the long-vowel mark of kana to no script
_WORD = rf"{_ALONE}\p{{M}}*|[[\w\p{{N}}]--{_ALONE}]+"  # \w of Rust, unlike that of Python, lacks ² and ½
_SIGN = r"[\p{Sm}\p{Sk}\p{So}\\*{}]|\s[-/]\s"
# A sign after an operand or at the start of a text; texts without a match have no signs as tokens.
_AFTER = rf"(?:^|\b\w|\b\w*\p{{N}}\w*|\\\w+)[^\w]*(?:{_SIGN})"
_IGNORED = r"[\p{Cf}\p{Default_Ignorable_Code_Point}"
_IGNORED += r"\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u065f\u0670]"
_WIDE = r"[\uff01-\uffee\ufb00-\ufdff\ufe70-\ufefc]"  # full width, and ligatures, as in texts extracted from PDF
_RUN = rf"[0-9A-Za-z_]{{{LONGEST + 1}}}"  # ASCII only, because matching all letters would be ten times slower
_LONG_RUN = re.compile(rf"\w{{{LONGEST + 1},}}", re.ASCII)


def tokens(texts: pl.Series) -> pl.Series:
    """Return the tokens of each text, in order: lists of strings."""
    normalized = _normalized(texts).str.to_lowercase()
    words = normalized.str.extract_all(_WORD)
    signed = normalized.str.contains(_AFTER).fill_null(False)
    if not signed.any():
        return words
    rows = pl.DataFrame({"row": np.flatnonzero(signed.to_numpy()), "token": normalized.filter(signed)})
    flat = rows.with_columns(pl.col("token").str.extract_all(f"{_WORD}|{_SIGN}")).explode("token").drop_nulls()
    flat = flat.with_columns(pl.col("token").str.strip_chars())
    kept = flat.filter(_is_token(flat["token"], flat["row"].to_numpy())).group_by("row").agg("token")
    every = pl.DataFrame({"row": np.arange(len(texts)), "words": words, "signed": signed})
    empty = pl.lit([], dtype=pl.List(pl.String))
    with_signs = pl.when("signed").then(pl.col("token").fill_null(empty)).otherwise("words")
    return every.join(kept, on="row", how="left").sort("row").select(with_signs.alias(texts.name)).to_series()


def token_counts(texts: pl.Series) -> pl.Series:
    """Return the number of words and punctuation marks of each text, the unit of budgets: Int32."""
    return _normalized(texts).str.count_matches(rf"{_WORD}|[^\w\s]").cast(pl.Int32)


def words_and_marks(texts: pl.Series) -> pl.Series:
    """Return the tokens and the runs of punctuation of each text, in order: lists of strings."""
    return _normalized(texts).str.to_lowercase().str.extract_all(rf"{_WORD}|[^\w\s]+")


def n_grams(tokens_: list[str], widest: int) -> list[str]:
    """Return the runs of one to `widest` tokens, joined by spaces."""
    runs = [tokens_[at : at + size] for size in range(2, widest + 1) for at in range(len(tokens_) - size + 1)]
    return tokens_ + [" ".join(run) for run in runs]


def content_words(texts: pl.Series) -> pl.Series:
    """Return the tokens of each text without single letters, digits and signs: lists of strings.

    If that would remove more than half of a text's tokens, as in formulas, return all tokens.
    """
    every = tokens(texts)
    kept = every.list.eval(pl.element().filter(pl.element().str.contains(rf"^{_ALONE}|..")))
    sparse = 2 * kept.list.len() < every.list.len()
    return pl.select(pl.when(sparse).then(every).otherwise(kept).alias(texts.name)).to_series()


def stand_alone(tokens_: pl.Series) -> pl.Series:
    """Return whether each token is a character of a script without spaces."""
    return tokens_.str.contains(rf"^{_ALONE}")


def _normalized(texts: pl.Series) -> pl.Series:
    """Return the texts without ignored characters, of one width, and with long runs spaced out."""
    changes = texts.str.contains(rf"{_IGNORED}|{_WIDE}|{_RUN}").fill_null(False)
    if not changes.any():
        return texts
    name = texts.name
    frame = pl.DataFrame({"text": texts, "changes": changes}).with_columns(
        pl.when("changes").then(pl.col("text").str.replace_all(_IGNORED, "")).otherwise("text").alias("text")
    )
    wide = pl.col("text").str.contains(_WIDE)
    frame = frame.with_columns(pl.when(wide).then(pl.col("text").str.normalize("NFKC")).otherwise("text").alias("text"))
    long = pl.col("changes") & pl.col("text").str.contains(_RUN)
    if frame.select(long.any()).item():
        spaced = pl.col("text").map_elements(_spaced_out, return_dtype=pl.String)
        frame = frame.with_columns(pl.when(long).then(spaced).otherwise("text").alias("text"))
    return frame["text"].alias(name)


def _spaced_out(text: str) -> str:
    return _LONG_RUN.sub(lambda run: " ".join(run[0]), text)


def _is_token(flat: pl.Series, rows: np.ndarray) -> np.ndarray:
    """Return which words and signs are tokens: all words, and signs without a word beside them.

    Args:
        flat: Words and signs of all texts.
        rows: The number of each piece's text, ascending: `[pieces]`.
    """
    sign = ~flat.str.contains(r"[\w\p{N}]").to_numpy()
    alone = stand_alone(flat).to_numpy()
    letter = flat.str.contains(r"^\p{L}\p{M}*$").to_numpy() & ~alone
    plain_word = ~flat.str.contains(r"^.$|\p{N}").to_numpy() | alone
    dash = flat.is_in(["-", "/"]).to_numpy()
    return signs_between_operands(sign, letter, plain_word, dash, (flat == "\\").to_numpy(), rows)


def signs_between_operands(
    sign: np.ndarray, letter: np.ndarray, word: np.ndarray, dash: np.ndarray, backslash: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Return which pieces are tokens: `[pieces]`, bool. All arguments are `[pieces]`.

    Args:
        sign: Whether the piece is a sign.
        letter: Whether it is a single letter.
        word: Whether it has several letters and no digit, or is a character of a script without spaces.
        dash: Whether it is ` - ` or ` / `.
        backslash: Whether it is a backslash, which starts a LaTeX command.
        rows: The number of the piece's text, ascending.
    """
    command = np.zeros(len(sign), np.bool_)
    command[1:] = backslash[:-1] & (rows[1:] == rows[:-1])
    letter, word = letter | command, word & ~sign & ~command
    at = np.arange(len(sign))
    left = np.maximum.accumulate(np.where(sign, 0, at))
    right = np.minimum.accumulate(np.where(sign, len(sign) - 1, at)[::-1])[::-1]
    same = [(rows[near] == rows) & ~sign[near] for near in (left, right)]  # whether the neighbour is in the same text
    by_word = (same[0] & word[left]) | (same[1] & word[right])
    by_letter = (same[0] & letter[left]) | (same[1] & letter[right])
    is_token: np.ndarray = ~sign | ~by_word & (by_letter | ~dash)
    return is_token
