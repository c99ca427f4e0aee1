"""Hashes of the tokens of texts, for shingles, n-grams and the lexical encoder, without creating strings.

Belongs here: hashing tokens as `tokens.py` defines them. Does not: the definition of a token.

Some hashes are stored, so they are computed from the bytes of tokens, not by a library's hash function, which may
change with its version.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import polars as pl

from getmore_assets.corpus.tokens import LONGEST, signs_between_operands, stand_alone, tokens

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, as is _FINISH, so multiplying modulo 2⁶⁴ loses nothing
_FINISH = np.uint64(0xD6E8FEB86659FD93)
_TOKENIZED_AT_ONCE = 2**18  # bytes; intermediate arrays stay in a core's cache
_HASHED_AT_ONCE = 2**15  # bytes; the tables of powers stay in a core's cache

_OTHER, _SPACE, _DASH, _SIGN, _NOT_ASCII, _UNDERSCORE, _LETTER, _DIGIT = range(8)  # the last three form words


def _kinds() -> np.ndarray:
    """Return the class of each byte: `[256]`, uint8."""
    kinds = np.full(256, _OTHER, np.uint8)
    for kind, characters in (
        (_SPACE, b"\t\n\v\f\r "),
        (_DASH, b"-/"),
        (_SIGN, b"+<=>|~^`\\*{}"),
        (_UNDERSCORE, b"_"),
        (_LETTER, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
        (_DIGIT, b"0123456789"),
    ):
        kinds[list(characters)] = kind
    kinds[128:] = _NOT_ASCII
    return kinds


_KINDS = _kinds()
_LOWER = np.frombuffer(bytes(range(256)).lower(), np.uint8)


@dataclass(frozen=True)
class TokenHashes:
    """The tokens of texts, one text after the other.

    Attributes:
        hashes: `[tokens]`, uint64.
        counts: Tokens of each text: `[texts]`, int64.
        long: Whether a token has more than one character: `[tokens]`, bool.
        alone: Whether a token is a character of a script without spaces: `[tokens]`, bool.
    """

    hashes: np.ndarray
    counts: np.ndarray
    long: np.ndarray
    alone: np.ndarray

    @classmethod
    def of(cls, texts: pl.Series) -> Self:
        """Hash the tokens of texts, none of them null.

        ASCII texts are tokenized in their bytes, many at once; other texts by `tokens`.
        """
        raw, at = _bytes(texts)
        ascii_, parts, start = np.ones(len(texts), np.bool_), [], 0
        while start < len(texts):
            stop = max(start + 1, int(np.searchsorted(at, at[start] + _TOKENIZED_AT_ONCE, side="right")) - 1)
            piece = raw[at[start] : at[stop]]
            ascii_[start:stop], starts, ends, rows = _ascii(piece, at[start : stop + 1] - at[start])
            parts.append((_polynomials(_LOWER[piece], starts, ends), rows + start, ends - starts > 1))
            start = stop
        empty = (np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.bool_))
        hashes, rows, long = (np.concatenate(arrays) for arrays in zip(empty, *parts, strict=True))
        alone = np.zeros(len(hashes), np.bool_)
        if not ascii_.all():
            others = tokens(texts.filter(~ascii_))
            flat = others.explode().drop_nulls()
            rows = np.concatenate([rows, np.repeat(np.flatnonzero(~ascii_), others.list.len().to_numpy())])
            order = np.argsort(rows, kind="stable")  # merges two sorted runs in linear time
            hashes = np.concatenate([hashes, hashes_of(flat)])[order]
            long = np.concatenate([long, (flat.str.len_chars() > 1).to_numpy()])[order]
            alone = np.concatenate([alone, stand_alone(flat).to_numpy()])[order]
        return cls(hashes, np.bincount(rows, minlength=len(texts)), long, alone)


def hashes_of(strings: pl.Series) -> np.ndarray:
    """Return a 64-bit hash of each string, none of them null: `[strings]`, uint64."""
    raw, at = _bytes(strings)
    return _polynomials(raw, at[:-1], at[1:])


def _bytes(strings: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of all strings, one after the other, and where each starts: `[strings + 1]`, int64."""
    array = strings.to_arrow()
    _, offsets, data = array.buffers()
    if data is None or not len(array):
        return np.empty(0, np.uint8), np.zeros(len(array) + 1, np.int64)
    at = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, np.uint8)[at[0] : at[-1]], at - at[0]


def _ascii(raw: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Tokenize ASCII texts in their bytes.

    Args:
        raw: The bytes of the texts, one text after the other.
        at: Where each text starts in `raw`, and where the last ends.

    Returns:
        Whether a text is ASCII without long runs (`[texts]`), and the start, end and text of each token of these texts
        (`[tokens]`).
    """
    kinds = _KINDS[raw]
    word, sign = kinds >= _UNDERSCORE, kinds == _SIGN
    first, last = word.copy(), word.copy()
    first[1:] &= ~word[:-1]
    last[:-1] &= ~word[1:]
    filled = at[1:] > at[:-1]
    edges = at[:-1][filled], at[1:][filled] - 1
    first[edges[0]], last[edges[1]] = word[edges[0]], word[edges[1]]  # no token spans two texts
    sign[_dashes(kinds, at)] = True
    starts, ends = np.flatnonzero(first | sign), np.flatnonzero(last | sign) + 1
    excluding = np.concatenate([np.flatnonzero(kinds == _NOT_ASCII), starts[ends - starts > LONGEST]])
    ascii_ = np.ones(len(at) - 1, np.bool_)
    ascii_[np.searchsorted(at[1:], excluding, side="right")] = False
    rows = np.repeat(np.arange(len(ascii_)), np.diff(np.searchsorted(starts, at)))
    if not ascii_.all():
        kept = ascii_[rows]
        starts, ends, rows = starts[kept], ends[kept], rows[kept]
    kept = _is_token(raw, kinds, starts, ends, rows)
    return ascii_, starts[kept], ends[kept], rows[kept]


def _dashes(kinds: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the positions of dashes and slashes between spaces, in texts that start at `at`; no space counts twice."""
    dashes: np.ndarray = np.flatnonzero(kinds == _DASH)
    dashes = dashes[(dashes > 0) & (dashes < len(kinds) - 1)]
    dashes = dashes[(kinds[dashes - 1] == _SPACE) & (kinds[dashes + 1] == _SPACE)]
    text = [np.searchsorted(at[1:], dashes + side, side="right") for side in (-1, 0, 1)]
    dashes = dashes[(text[0] == text[1]) & (text[1] == text[2])]
    if len(dashes) and (np.diff(dashes) == 2).any():
        runs = np.cumsum(np.append(True, np.diff(dashes) != 2))  # every second of `- - - -`
        dashes = dashes[(np.arange(len(dashes)) - np.searchsorted(runs, runs)) % 2 == 0]
    return dashes


def _is_token(raw: np.ndarray, kinds: np.ndarray, starts: np.ndarray, ends: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return which words and signs (`[pieces]`) are tokens: all words and some signs."""
    kept: np.ndarray = kinds[starts] >= _UNDERSCORE
    if kept.all():
        return kept
    seen = np.flatnonzero(np.isin(rows, rows[~kept]))  # in texts without signs, every word is a token
    starts, ends, rows, sign = starts[seen], ends[seen], rows[seen], ~kept[seen]
    digits = np.zeros(len(kinds) + 1, np.int32)
    np.cumsum(kinds == _DIGIT, out=digits[1:])
    one, number = ends - starts == 1, digits[ends] > digits[starts]
    backslash = raw[starts] == ord("\\")
    letter, dash = one & (kinds[starts] == _LETTER), kinds[starts] == _DASH
    # As `_AFTER` of `tokens.py`: the texts in which some sign has an operand, or nothing, to its left.
    operand = one | number
    operand[1:] |= backslash[:-1] & (ends[:-1] == starts[1:]) & (rows[:-1] == rows[1:])
    left = np.maximum.accumulate(np.where(sign, 0, np.arange(len(sign))))
    nothing = sign[left] | (rows[left] != rows)
    having = rows[sign & (nothing | operand[left])]
    counts = signs_between_operands(sign, letter, ~one & ~number, dash, backslash, rows)
    kept[seen] |= counts & np.isin(rows, having)
    return kept


def _polynomials(raw: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return a mixed polynomial hash of the bytes of each piece: `[pieces]`, uint64.

    The polynomial is a difference of two cumulative sums over all bytes, so no loop runs over pieces.

    Args:
        raw: The bytes: uint8.
        starts: Where each piece starts: `[pieces]`, ascending.
        ends: Where each piece ends: `[pieces]`, at most the start of the next piece.
    """
    hashes, done = np.empty(len(starts), np.uint64), 0
    while done < len(starts):
        begin = starts[done]
        stop = max(done + 1, int(np.searchsorted(ends, begin + _HASHED_AT_ONCE, side="right")))
        size = int(ends[stop - 1] - begin)
        up, down = _powers(max(_HASHED_AT_ONCE, 1 << size.bit_length()))
        sums = np.zeros(size + 1, np.uint64)
        np.cumsum((raw[begin : begin + size] + np.uint64(1)) * up[:size], out=sums[1:])
        start, end = starts[done:stop] - begin, ends[done:stop] - begin
        hashes[done:stop] = (sums[end] - sums[start]) * down[start]
        done = stop
    for _ in range(2):
        hashes ^= hashes >> np.uint64(32)
        hashes *= _FINISH
    return hashes ^ (hashes >> np.uint64(32))


@lru_cache(maxsize=2)
def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the powers of the factor and of its inverse modulo 2⁶⁴, from 0 to `count`: uint64."""
    bases = np.array([[FACTOR], [pow(int(FACTOR), -1, 2**64)]], np.uint64)
    powers = np.broadcast_to(bases, (2, count + 1)).copy()
    powers[:, 0] = 1
    up, down = np.cumprod(powers, axis=1, dtype=np.uint64)
    return up, down


def mixed(hashes: np.ndarray, size: int) -> np.ndarray:
    """Return a hash of each run of `size` hashes (`[n]`, uint64): `[n - size + 1]`, uint64."""
    count = max(0, len(hashes) - size + 1)
    runs = hashes[:count]
    for offset in range(1, size):
        runs = runs * FACTOR + hashes[offset : count + offset]  # modulo 2⁶⁴
        runs ^= runs >> np.uint64(29)
    return runs
