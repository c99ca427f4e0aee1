"""Shingles: the hashes of a text's runs of three tokens, by which texts are compared.

Belongs here: sets of shingles, their Jaccard similarity, MinHash signatures. Does not: near-duplicates
(`duplicates.py`).

The pool stores the hashes; `VERSION` must change if the hashes do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from getmore_assets.corpus import tokens
from getmore_assets.corpus.token_hashes import FACTOR, TokenHashes, hashes_of, mixed

VERSION = f"{tokens.VERSION}.1"  # of the stored hashes
PERMUTATIONS = 64
#: The most shingles kept of a text: those with the smallest hashes, which are a random sample.
MOST = 2048
_SIZE = 3  # tokens of a shingle
_STORED = np.dtype("<u4")


@dataclass(frozen=True)
class Shingles:
    """The sets of shingles of texts, one text after the other.

    Attributes:
        hashes: The distinct hashes of each text, ascending: uint32.
        ends: Where the shingles of each text end in `hashes`: `[texts]`, int64. Every text has at least one.
    """

    hashes: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, texts: pl.Series) -> Self:
        """Return the shingles of each text.

        A text of one or two tokens has one shingle. The shingle of a text without tokens is the hash of the whole text,
        because all such texts would be equal otherwise.
        """
        if not len(texts):
            return cls(np.empty(0, np.uint32), np.empty(0, np.int64))
        tokens_ = TokenHashes.of(texts)
        hashes, counts = tokens_.hashes, tokens_.counts
        if (counts == 0).any():
            tokenless = counts == 0
            whole = texts.filter(tokenless).str.replace_all(r"\s+", " ").str.strip_chars()
            hashes = np.insert(hashes, np.cumsum(counts)[tokenless], hashes_of(whole))
            counts = np.maximum(counts, 1)
        padding = np.maximum(_SIZE - counts, 0)
        hashes = np.insert(hashes, np.repeat(np.cumsum(counts), padding), np.uint64(0))
        return cls._from_tokens(hashes, counts + padding)

    @classmethod
    def _from_tokens(cls, hashes: np.ndarray, counts: np.ndarray) -> Self:
        """Return the shingles of texts from their token hashes; `counts` has each text's tokens, at least three."""
        runs = mixed(hashes, _SIZE)
        within = np.ones(len(hashes), np.bool_)
        for last in range(1, _SIZE):
            within[np.cumsum(counts) - last] = False  # a run from here would reach into the next text
        rows = np.repeat(np.arange(len(counts), dtype=np.uint64), counts - _SIZE + 1)
        keys = (rows << np.uint64(32)) | (runs[within[: len(runs)]] >> np.uint64(32))
        keys.sort()
        keys = keys[np.append(True, keys[1:] != keys[:-1])]
        sizes = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(counts))
        if sizes.max() > MOST:
            rank = np.arange(len(keys)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            keys, sizes = keys[rank < MOST], np.minimum(sizes, MOST)
        return cls(keys.astype(np.uint32), np.cumsum(sizes))

    @classmethod
    def from_bytes(cls, stored: Sequence[bytes]) -> Self:
        """Return the shingles of texts from the bytes of `to_bytes`."""
        sizes = np.fromiter((len(text) // _STORED.itemsize for text in stored), np.int64, len(stored))
        return cls(np.frombuffer(b"".join(stored), _STORED).astype(np.uint32), np.cumsum(sizes))

    def to_bytes(self) -> list[bytes]:
        """Return the shingles of each text as bytes, four per shingle."""
        flat, size = self.hashes.astype(_STORED).tobytes(), _STORED.itemsize
        ranges = zip((self.starts * size).tolist(), (self.ends * size).tolist(), strict=True)
        return [flat[start:end] for start, end in ranges]

    @property
    def starts(self) -> np.ndarray:
        """Where the shingles of each text start: `[texts]`, int64."""
        return np.append(0, self.ends[:-1])[: len(self.ends)]

    @property
    def sizes(self) -> np.ndarray:
        """Number of shingles of each text: `[texts]`, int64."""
        return np.diff(self.ends, prepend=0)

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.ends)

    def rows(self, rows: np.ndarray) -> Self:
        """Return the shingles of texts by number (`[rows]`), in that order, with repetitions."""
        sizes = self.sizes[rows]
        ends = np.cumsum(sizes)
        at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.starts[rows] - (ends - sizes), sizes)
        return type(self)(self.hashes[at], ends)

    def signatures(self) -> np.ndarray:
        """Return MinHash signatures: `[texts, 64]`, uint32."""
        signatures = np.empty((len(self), PERMUTATIONS), np.uint32)
        if len(self):
            permuted, starts = np.empty_like(self.hashes), self.starts
            for number, factor in enumerate(_FACTORS):
                np.multiply(self.hashes, factor, out=permuted)  # modulo 2³²: a permutation, as the factor is odd
                signatures[:, number] = np.minimum.reduceat(permuted, starts)
        return signatures


def similarities(first: Shingles, other: Shingles) -> np.ndarray:
    """Return the Jaccard similarity of each text of `first` with the text of the same number in `other`: `[texts]`.

    The similarity is exact, except for collisions of 32-bit hashes, if both texts have fewer than 2,048 shingles. Else
    it is estimated from the shingles with the smallest hashes, with an error of about 0.01.
    """
    limits = np.full(len(first), 2**32 - 1, np.uint32)
    for side in (first, other):  # of a truncated text, only the shingles up to its last hash are known
        cut = side.sizes == MOST
        limits[cut] = np.minimum(limits[cut], side.hashes[side.ends[cut] - 1])
    parts = []
    for side in (first, other):
        pairs = np.repeat(np.arange(len(side), dtype=np.uint64), side.sizes)
        known = side.hashes <= limits[pairs.astype(np.int64)]
        parts.append((pairs[known] << np.uint64(32)) | side.hashes[known])
    keys = np.concatenate(parts)
    keys.sort()
    pairs = (keys >> np.uint64(32)).astype(np.int64)
    shared = np.bincount(pairs[1:][keys[1:] == keys[:-1]], minlength=len(first))
    return np.asarray(shared / (np.bincount(pairs, minlength=len(first)) - shared))


#: An odd factor per permutation, computed from a counter.
_FACTORS = (np.arange(1, PERMUTATIONS + 1, dtype=np.uint64) * FACTOR >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
