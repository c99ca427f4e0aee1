"""Hashes of the tokens of texts: what shingles, n-grams and the lexical encoder are made of, without a string a token.

Belongs here: hashing tokens as `tokens.py` defines them. Does not: that definition, or what is done with hashes.

Some hashes are stored. So they come from arithmetic on the bytes of tokens, not from a library's hash function, which
may change with its version.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import polars as pl

from getmore_assets.corpus.tokens import LONGEST, counting, stand_alone, tokens

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, as are all factors modulo 2⁶⁴ here
_FINISH = np.uint64(0xD6E8FEB86659FD93)
_AT_ONCE = 2**18  # bytes whose tokens are found at once: what is made of them on the way stays in a core's cache
_BLOCK = 2**15  # bytes hashed at once: the tables of powers stay in a core's cache

_OTHER, _SPACE, _DASH, _SIGN, _BEYOND, _UNDERSCORE, _LETTER, _DIGIT = range(8)  # the last three make words


def _kinds() -> np.ndarray:
    """What each byte is in a text: `[256]`, uint8; `_BEYOND` where the text is not of ASCII."""
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
    kinds[128:] = _BEYOND
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

        The tokens of texts of ASCII are found in the bytes of many of them at once. Other texts go through `tokens`.
        """
        raw, at = _bytes(texts)
        ascii_, parts, start = np.ones(len(texts), np.bool_), [], 0
        while start < len(texts):
            stop = max(start + 1, int(np.searchsorted(at, at[start] + _AT_ONCE, side="right")) - 1)
            piece = raw[at[start] : at[stop]]
            ascii_[start:stop], starts, ends, rows = _ascii(piece, at[start : stop + 1] - at[start])
            parts.append((_polynomials(_LOWER[piece], starts, ends), rows + start, ends - starts > 1))
            start = stop
        nothing = [(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.bool_))]
        hashes, rows, long = (np.concatenate(one) for one in zip(*nothing, *parts, strict=True))
        alone = np.zeros(len(hashes), np.bool_)
        if not ascii_.all():
            found = tokens(texts.filter(~ascii_))
            flat = found.explode().drop_nulls()
            rows = np.concatenate([rows, np.repeat(np.flatnonzero(~ascii_), found.list.len().to_numpy())])
            order = np.argsort(rows, kind="stable")  # merges two sorted runs in one sweep
            hashes = np.concatenate([hashes, hashes_of(flat)])[order]
            long = np.concatenate([long, (flat.str.len_chars() > 1).to_numpy()])[order]
            alone = np.concatenate([alone, stand_alone(flat).to_numpy()])[order]
        return cls(hashes, np.bincount(rows, minlength=len(texts)), long, alone)


def hashes_of(strings: pl.Series) -> np.ndarray:
    """Return a 64-bit hash of each string, none of them null: `[strings]`, uint64."""
    raw, at = _bytes(strings)
    return _polynomials(raw, at[:-1], at[1:])


def _bytes(strings: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of all strings, one after the other, and where each starts: `[strings + 1]`, int64."""
    array = strings.to_arrow()
    _, offsets, data = array.buffers()
    if data is None or not len(array):
        return np.empty(0, np.uint8), np.zeros(len(array) + 1, np.int64)
    at = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, np.uint8)[at[0] : at[-1]], at - at[0]


def _ascii(raw: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which texts are of ASCII, without long runs: `[texts]`; where their tokens start, end, in which text: `[tokens]`.

    Args:
        raw: The bytes of the texts, one text after the other.
        at: Where each starts in them, and where the last one ends.
    """
    kinds = _KINDS[raw]
    word, sign = kinds >= _UNDERSCORE, kinds == _SIGN
    first, last = word.copy(), word.copy()
    first[1:] &= ~word[:-1]
    last[:-1] &= ~word[1:]
    filled = at[1:] > at[:-1]
    edges = at[:-1][filled], at[1:][filled] - 1
    first[edges[0]], last[edges[1]] = word[edges[0]], word[edges[1]]  # a token ends with its text
    sign[_dashes(kinds, at)] = True
    starts, ends = np.flatnonzero(first | sign), np.flatnonzero(last | sign) + 1
    beyond = np.concatenate([np.flatnonzero(kinds == _BEYOND), starts[ends - starts > LONGEST]])
    ours = np.ones(len(at) - 1, np.bool_)
    ours[np.searchsorted(at[1:], beyond, side="right")] = False
    rows = np.repeat(np.arange(len(ours)), np.diff(np.searchsorted(starts, at)))
    if not ours.all():
        kept = ours[rows]
        starts, ends, rows = starts[kept], ends[kept], rows[kept]
    kept = _counting(raw, kinds, starts, ends, rows)
    return ours, starts[kept], ends[kept], rows[kept]


def _dashes(kinds: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Where dashes and slashes stand between spaces, in texts that end at `at`; two share no space."""
    found: np.ndarray = np.flatnonzero(kinds == _DASH)
    found = found[(found > 0) & (found < len(kinds) - 1)]
    found = found[(kinds[found - 1] == _SPACE) & (kinds[found + 1] == _SPACE)]
    text = [np.searchsorted(at[1:], found + side, side="right") for side in (-1, 0, 1)]
    found = found[(text[0] == text[1]) & (text[1] == text[2])]
    if len(found) and (np.diff(found) == 2).any():
        runs = np.cumsum(np.append(True, np.diff(found) != 2))  # every second of `- - - -`
        found = found[(np.arange(len(found)) - np.searchsorted(runs, runs)) % 2 == 0]
    return found


def _counting(raw: np.ndarray, kinds: np.ndarray, starts: np.ndarray, ends: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Which of words and signs (`[tokens]`) are tokens: all words and some signs."""
    kept: np.ndarray = kinds[starts] >= _UNDERSCORE
    if kept.all():
        return kept
    seen = np.flatnonzero(np.isin(rows, rows[~kept]))  # the words of other texts are all tokens
    starts, ends, rows, sign = starts[seen], ends[seen], rows[seen], ~kept[seen]
    digits = np.zeros(len(kinds) + 1, np.int32)
    np.cumsum(kinds == _DIGIT, out=digits[1:])
    one, number = ends - starts == 1, digits[ends] > digits[starts]
    backslash = raw[starts] == ord("\\")
    letter, dash = one & (kinds[starts] == _LETTER), kinds[starts] == _DASH
    # As `_AFTER` of `tokens.py`: some sign of the text has an operand, or nothing, to its left.
    operand = one | number
    operand[1:] |= backslash[:-1] & (ends[:-1] == starts[1:]) & (rows[:-1] == rows[1:])
    left = np.maximum.accumulate(np.where(sign, 0, np.arange(len(sign))))
    nothing = sign[left] | (rows[left] != rows)
    having = rows[sign & (nothing | operand[left])]
    counts = counting(sign, letter, ~one & ~number, dash, backslash, rows)
    kept[seen] |= counts & np.isin(rows, having)
    return kept


def _polynomials(raw: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return a polynomial of the bytes of each piece, mixed: `[pieces]`, uint64.

    It is the difference of two sums over all bytes, each times a power, so that no loop runs over pieces.

    Args:
        raw: The bytes: uint8.
        starts: Where each piece starts: `[pieces]`, ascending.
        ends: Where each piece ends: `[pieces]`, none after the start of the next.
    """
    found, done = np.empty(len(starts), np.uint64), 0
    while done < len(starts):
        begin = starts[done]
        stop = max(done + 1, int(np.searchsorted(ends, begin + _BLOCK, side="right")))
        size = int(ends[stop - 1] - begin)
        up, down = _powers(max(_BLOCK, 1 << size.bit_length()))
        sums = np.zeros(size + 1, np.uint64)
        np.cumsum((raw[begin : begin + size] + np.uint64(1)) * up[:size], out=sums[1:])
        start, end = starts[done:stop] - begin, ends[done:stop] - begin
        found[done:stop] = (sums[end] - sums[start]) * down[start]
        done = stop
    for _ in range(2):
        found ^= found >> np.uint64(32)
        found *= _FINISH
    return found ^ (found >> np.uint64(32))


@lru_cache(maxsize=2)
def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Powers of the factor and of its inverse modulo 2⁶⁴, from 0 to `count`: uint64."""
    bases = np.array([[FACTOR], [pow(int(FACTOR), -1, 2**64)]], np.uint64)
    powers = np.broadcast_to(bases, (2, count + 1)).copy()
    powers[:, 0] = 1
    up, down = np.cumprod(powers, axis=1, dtype=np.uint64)
    return up, down


def mixed(hashes: np.ndarray, size: int) -> np.ndarray:
    """Return a hash of each run of `size` hashes (`[n]`, uint64): `[n - size + 1]`, uint64."""
    room = max(0, len(hashes) - size + 1)
    found = hashes[:room]
    for place in range(1, size):
        found = found * FACTOR + hashes[place : room + place]  # wraps around
        found ^= found >> np.uint64(29)
    return found
