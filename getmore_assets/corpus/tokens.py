r"""Tokens: what a text is made of, in any script, for counts, shingles, n-grams and the lexical encoder.

Belongs here: the one definition of a token. Does not: what is done with tokens, or the tokens of a model's tokenizer.

| text | a token is |
|---|---|
| a script with spaces (Latin, Arabic, Devanagari, Hangul, ...) | a run of letters, marks, digits and `_`, lower case |
| a script without spaces (Han, kana, Thai, Lao, Khmer, Myanmar, ...) | a character with its marks |
| a run of more than 64 letters and digits (DNA, base64) | a character |
| signs among operands (`+ = < ^ \ * { }`, symbols, emoji; ` - ` and ` / ` beside a letter) | a sign |

An operand is a single letter, a token with a digit, or a command of LaTeX. A sign counts where the next token to its
left and the next to its right are operands or the text's ends: so `x + 3 = 7` has five tokens, and the asterisks of
`**bold**` are none. The rule looks at neighbours alone, so one changed character changes few tokens.

Not seen: case, white space, other punctuation, full width, ligatures, soft hyphens, zero-width and direction marks, and
the vowel signs of Arabic and Hebrew, which are written or not in the same text.
"""

import re

import numpy as np
import polars as pl

VERSION = "2"  # 1 was `\w+` of Python's re; part of what tells whether stored counts and signatures are of today
LONGEST = 64  # characters; longer runs are no words of any language that has spaces

_UNSPACED = "".join(
    rf"\p{{{script}}}"
    for script in (
        *("Han", "Hiragana", "Katakana", "Bopomofo", "Yi", "Tangut"),
        *("Thai", "Lao", "Khmer", "Myanmar", "Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet", "Ahom"),
        *("Javanese", "Balinese"),
    )
)
_ALONE = rf"[[{_UNSPACED}ーｰ]&&[\p{{L}}\p{{Nl}}]]"  # the long sign of kana is of no script
_WORD = rf"{_ALONE}\p{{M}}*|[[\w\p{{N}}]--{_ALONE}]+"  # \w has no ² and ½, which Python's has
_SIGN = r"[\p{Sm}\p{Sk}\p{So}\\*{}]|\s[-/]\s"
# Right of an operand, or of nothing: where alone a sign may count.
_AFTER = rf"(?:^|\b\w|\b\w*\p{{N}}\w*|\\\w+)[^\w]*(?:{_SIGN})"
_UNSEEN = r"[\p{Cf}\p{Default_Ignorable_Code_Point}"
_UNSEEN += r"\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u065f\u0670]"
_WIDE = r"[\uff01-\uffee\ufb00-\ufdff\ufe70-\ufefc]"  # and ligatures, as texts out of PDFs have them
_RUN = rf"[0-9A-Za-z_]{{{LONGEST + 1}}}"  # with all letters it would be ten times slower
_LONG_RUN = re.compile(rf"\w{{{LONGEST + 1},}}", re.ASCII)


def tokens(texts: pl.Series) -> pl.Series:
    """Return the tokens of each text, in order: lists of strings."""
    tidy = _tidy(texts).str.to_lowercase()
    found = tidy.str.extract_all(_WORD)
    signed = tidy.str.contains(_AFTER).fill_null(False)
    if not signed.any():
        return found
    rows = pl.DataFrame({"row": np.flatnonzero(signed.to_numpy()), "token": tidy.filter(signed)})
    flat = rows.with_columns(pl.col("token").str.extract_all(f"{_WORD}|{_SIGN}")).explode("token").drop_nulls()
    flat = flat.with_columns(pl.col("token").str.strip_chars())
    kept = flat.filter(_counting(flat["token"], flat["row"].to_numpy())).group_by("row").agg("token")
    every = pl.DataFrame({"row": np.arange(len(texts)), "found": found, "signed": signed})
    none = pl.lit([], dtype=pl.List(pl.String))
    return (
        every.join(kept, on="row", how="left")
        .sort("row")
        .select(pl.when("signed").then(pl.col("token").fill_null(none)).otherwise("found").alias(texts.name))[
            texts.name
        ]
    )


def token_counts(texts: pl.Series) -> pl.Series:
    """Return how many tokens each text has, every mark of punctuation among them: what budgets count in, Int32."""
    return _tidy(texts).str.count_matches(rf"{_WORD}|[^\w\s]").cast(pl.Int32)


def words_and_marks(texts: pl.Series) -> pl.Series:
    """Return the tokens of each text, and its runs of other characters, in order: lists of strings."""
    return _tidy(texts).str.to_lowercase().str.extract_all(rf"{_WORD}|[^\w\s]+")


def n_grams(tokens_: list[str], widest: int) -> list[str]:
    """Return the runs of one to `widest` tokens, joined by spaces."""
    runs = [tokens_[at : at + size] for size in range(2, widest + 1) for at in range(len(tokens_) - size + 1)]
    return tokens_ + [" ".join(run) for run in runs]


def telling(texts: pl.Series) -> pl.Series:
    """Return the tokens of each text that tell what it is about: lists of strings.

    Single letters and digits, and signs, tell little among words; where they are the larger part, as in formulas, all
    tokens tell.
    """
    found = tokens(texts)
    kept = found.list.eval(pl.element().filter(pl.element().str.contains(rf"^{_ALONE}|..")))
    sparse = 2 * kept.list.len() < found.list.len()
    return pl.select(pl.when(sparse).then(found).otherwise(kept).alias(texts.name)).to_series()


def stand_alone(tokens_: pl.Series) -> pl.Series:
    """Return whether each token is a character of a script without spaces."""
    return tokens_.str.contains(rf"^{_ALONE}")


def _tidy(texts: pl.Series) -> pl.Series:
    """Texts without what is not seen, of one width, and with long runs spaced out."""
    odd = texts.str.contains(rf"{_UNSEEN}|{_WIDE}|{_RUN}").fill_null(False)
    if not odd.any():
        return texts
    name = texts.name
    frame = pl.DataFrame({"text": texts, "odd": odd}).with_columns(
        pl.when("odd").then(pl.col("text").str.replace_all(_UNSEEN, "")).otherwise("text").alias("text")
    )
    wide = pl.col("text").str.contains(_WIDE)
    frame = frame.with_columns(pl.when(wide).then(pl.col("text").str.normalize("NFKC")).otherwise("text").alias("text"))
    long = pl.col("text").str.contains(_RUN)
    if frame.select((pl.col("odd") & long).any()).item():
        spaced = pl.col("text").map_elements(_spaced_out, return_dtype=pl.String)
        frame = frame.with_columns(pl.when(pl.col("odd") & long).then(spaced).otherwise("text").alias("text"))
    return frame["text"].alias(name)


def _spaced_out(text: str) -> str:
    return _LONG_RUN.sub(lambda run: " ".join(run[0]), text)


def _counting(flat: pl.Series, rows: np.ndarray) -> np.ndarray:
    """Return which tokens count: all but the signs that have a word beside them.

    Args:
        flat: Tokens of all texts, signs among them.
        rows: The text of each, ascending: `[tokens]`.
    """
    sign = ~flat.str.contains(r"[\w\p{N}]").to_numpy()
    alone = stand_alone(flat).to_numpy()
    letter = flat.str.contains(r"^\p{L}\p{M}*$").to_numpy() & ~alone
    plain_word = ~flat.str.contains(r"^.$|\p{N}").to_numpy() | alone
    dash = flat.is_in(["-", "/"]).to_numpy()
    return counting(sign, letter, plain_word, dash, (flat == "\\").to_numpy(), rows)


def counting(
    sign: np.ndarray, letter: np.ndarray, word: np.ndarray, dash: np.ndarray, backslash: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Return which tokens count, from what each is; all arguments are `[tokens]`.

    Args:
        sign: A sign, not a word of any kind.
        letter: One letter.
        word: More than one letter, and no digit; or a character of a script without spaces.
        dash: One of ` - ` and ` / `.
        backslash: The sign before a command of LaTeX.
        rows: The number of its text, ascending.
    """
    command = np.zeros(len(sign), np.bool_)
    command[1:] = backslash[:-1] & (rows[1:] == rows[:-1])
    letter, word = letter | command, word & ~sign & ~command
    at = np.arange(len(sign))
    left = np.maximum.accumulate(np.where(sign, 0, at))
    right = np.minimum.accumulate(np.where(sign, len(sign) - 1, at)[::-1])[::-1]
    same = [(rows[near] == rows) & ~sign[near] for near in (left, right)]  # a sign where a text has no other neighbour
    by_word = (same[0] & word[left]) | (same[1] & word[right])
    by_letter = (same[0] & letter[left]) | (same[1] & letter[right])
    found: np.ndarray = ~sign | ~by_word & (by_letter | ~dash)
    return found
