"""Shingles: the runs of three tokens of a text, as hashes, by which two texts are compared.

Belongs here: the sets of shingles of texts, their Jaccard similarity, their MinHash signatures. Does not: which rows
are near-duplicates (`duplicates.py`).

The pool stores these hashes: `VERSION` changes with them.
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
#: Shingles that are kept of a text at most: those with the smallest hashes, which are a random sample.
MOST = 2048
_SIZE = 3  # tokens of a shingle
_WORD = np.dtype("<u4")  # as stored


@dataclass(frozen=True)
class Shingles:
    """The sets of shingles of texts, one text after the other.

    Attributes:
        hashes: Of each text, ascending, each once: uint32.
        ends: Where the shingles of each text end in `hashes`: `[texts]`, int64. No text is without a shingle.
    """

    hashes: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, texts: pl.Series) -> Self:
        """Return the shingles of each text.

        A text of one or two tokens has one shingle of these. A text without a token has one of the whole text, else all
        such texts would be equal.
        """
        if not len(texts):
            return cls(np.empty(0, np.uint32), np.empty(0, np.int64))
        found = TokenHashes.of(texts)
        hashes, counts = found.hashes, found.counts
        if (counts == 0).any():
            bare = counts == 0
            whole = texts.filter(bare).str.replace_all(r"\s+", " ").str.strip_chars()
            hashes = np.insert(hashes, np.cumsum(counts)[bare], hashes_of(whole))
            counts = np.maximum(counts, 1)
        lacking = np.maximum(_SIZE - counts, 0)
        hashes = np.insert(hashes, np.repeat(np.cumsum(counts), lacking), np.uint64(0))
        return cls._sets(hashes, counts + lacking)

    @classmethod
    def _sets(cls, hashes: np.ndarray, counts: np.ndarray) -> Self:
        """From the hashes of all tokens, and how many each text has (`[texts]`, at least three)."""
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
            place = np.arange(len(keys)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            keys, sizes = keys[place < MOST], np.minimum(sizes, MOST)
        return cls(keys.astype(np.uint32), np.cumsum(sizes))

    @classmethod
    def from_bytes(cls, stored: Sequence[bytes]) -> Self:
        """Return what `to_bytes` stored."""
        sizes = np.fromiter((len(one) // _WORD.itemsize for one in stored), np.int64, len(stored))
        return cls(np.frombuffer(b"".join(stored), _WORD).astype(np.uint32), np.cumsum(sizes))

    def to_bytes(self) -> list[bytes]:
        """Return the shingles of each text as bytes: four a shingle."""
        flat = self.hashes.astype(_WORD).tobytes()
        places = zip((self.starts * _WORD.itemsize).tolist(), (self.ends * _WORD.itemsize).tolist(), strict=True)
        return [flat[start:end] for start, end in places]

    @property
    def starts(self) -> np.ndarray:
        """Where the shingles of each text start: `[texts]`, int64."""
        return np.append(0, self.ends[:-1])[: len(self.ends)]

    @property
    def sizes(self) -> np.ndarray:
        """How many shingles each text has: `[texts]`, int64."""
        return np.diff(self.ends, prepend=0)

    def __len__(self) -> int:
        """How many texts."""
        return len(self.ends)

    def rows(self, rows: np.ndarray) -> Self:
        """Return the shingles of some texts, in that order (`[wanted]`, numbers of texts, each as often as wanted)."""
        sizes = self.sizes[rows]
        ends = np.cumsum(sizes)
        at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.starts[rows] - (ends - sizes), sizes)
        return type(self)(self.hashes[at], ends)

    def signatures(self) -> np.ndarray:
        """Return MinHash signatures: `[texts, 64]`, uint32."""
        found = np.empty((len(self), PERMUTATIONS), np.uint32)
        if len(self):
            permuted, starts = np.empty_like(self.hashes), self.starts
            for number, factor in enumerate(_FACTORS):
                np.multiply(self.hashes, factor, out=permuted)  # modulo 2³²: a permutation, as the factor is odd
                found[:, number] = np.minimum.reduceat(permuted, starts)
        return found


def similarities(one: Shingles, other: Shingles) -> np.ndarray:
    """Return the Jaccard similarity of each text of `one` with the text of `other` at its place: `[texts]`, float64.

    Exact (but for collisions of 32-bit hashes) where both texts have fewer than 2,048 shingles, else from the shingles
    with the smallest hashes of both: off by about 0.01.
    """
    limits = np.full(len(one), 2**32 - 1, np.uint32)
    for side in (one, other):  # below the last hash of a text that has more, all its shingles are known
        cut = side.sizes == MOST
        limits[cut] = np.minimum(limits[cut], side.hashes[side.ends[cut] - 1])
    parts = []
    for side in (one, other):
        pairs = np.repeat(np.arange(len(side), dtype=np.uint64), side.sizes)
        known = side.hashes <= limits[pairs.astype(np.int64)]
        parts.append((pairs[known] << np.uint64(32)) | side.hashes[known])
    keys = np.concatenate(parts)
    keys.sort()
    pairs = (keys >> np.uint64(32)).astype(np.int64)
    shared = np.bincount(pairs[1:][keys[1:] == keys[:-1]], minlength=len(one))
    return np.asarray(shared / (np.bincount(pairs, minlength=len(one)) - shared))


#: One odd factor a permutation, from a counter.
_FACTORS = (np.arange(1, PERMUTATIONS + 1, dtype=np.uint64) * FACTOR >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
