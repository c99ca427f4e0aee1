"""Near-duplicate marks by MinHash.

Belongs here: signatures and the index of those seen. Does not: exact duplicates (one row per content id, `pool.py`),
or what is done with a copy.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

import numpy as np
import polars as pl

from getmore_assets.corpus.bands import FirstRows
from getmore_assets.corpus.tokens import tokens

PERMUTATIONS = 64
BANDS = 16  # 16 bands of 4: a pair of similarity 0.8 meets in some band with probability 0.9998
_SHINGLE = 3
_ROW = np.dtype([("id", "S32"), ("hashes", np.uint32, PERMUTATIONS)])  # of a row that is no copy, in the file


def signatures(texts: list[str]) -> np.ndarray:
    """MinHash signatures of triples of tokens: `[len(texts), 64]`, uint32."""
    from datasketch import MinHash  # loads scipy: only where rows are new

    found = tokens(pl.Series(texts, dtype=pl.String))
    shingled = [_shingles(words, text) for words, text in zip(found.to_list(), texts, strict=True)]
    hashes = MinHash.generator(shingled, num_perm=PERMUTATIONS, seed=1, hashfunc=zlib.crc32)
    return np.array([m.hashvalues for m in hashes], dtype=np.uint32).reshape(len(texts), PERMUTATIONS)


def _shingles(words: list[str], text: str) -> list[bytes]:
    """Triples of tokens; of a text without any the text itself, else all such texts would be copies of one another."""
    words = words or [" ".join(text.split())]
    count = max(len(words) - _SHINGLE + 1, 1)
    return [" ".join(words[i : i + _SHINGLE]).encode() for i in range(count)]


class NearDuplicates:
    """The rows seen so far that are no copy, and which later rows are copies of them; a context that closes its file.

    Memory: about 0.2 kB a row that is no copy, for its bands. Its signature lies in the file, which goes when closed.

    Args:
        threshold: Jaccard similarity of word triples, estimated from 64 hashes, from which a row is a copy.
        folder: Where the file may lie; the system's place for such files without it.
    """

    def __init__(self, threshold: float, folder: Path | None = None) -> None:
        self.threshold = threshold
        self._bands, self._count = FirstRows(), 0
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  # closed with this object

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add_known(self, ids: list[str], signatures_: np.ndarray) -> None:
        """Take in rows that an earlier run found to be no copies, with signatures `[len(ids), 64]`, uint32."""
        keys = _band_keys(signatures_)
        self._add(ids, signatures_, keys, self._bands.find(keys.ravel()) < 0)

    def mark(self, ids: list[str], signatures_: np.ndarray) -> list[str | None]:
        """For each row, the id of the earlier row that it copies, or None; the latter are taken in.

        Args:
            ids: Of the rows, none seen before; ASCII, at most 32 characters.
            signatures_: Of `signatures`: `[len(ids), 64]`, uint32.
        """
        known, keys = self._count, _band_keys(signatures_)
        new = np.repeat(np.arange(len(ids)), BANDS)
        # A row is held against the first row of each band only: n rows of one boilerplate give n pairs, not n².
        before = self._bands.find(keys.ravel())
        _, at, band = np.unique(keys.ravel(), return_index=True, return_inverse=True)
        within = new[at][band]
        met, beside = before >= 0, within < new
        pairs = np.concatenate(
            [np.stack([new[met], before[met]], axis=1), np.stack([new[beside], within[beside] + known], axis=1)]
        )
        originals: list[str | None] = [None] * len(ids)
        for i, j, original in self._alike(np.unique(pairs, axis=0), signatures_):
            if originals[i] is None:
                originals[i] = original or originals[j - known] or ids[j - known]
        kept = np.array([o is None for o in originals], dtype=bool)
        unknown = ~met.reshape(len(ids), BANDS)[kept].ravel()
        self._add([i for i, keep in zip(ids, kept, strict=True) if keep], signatures_[kept], keys[kept], unknown)
        return originals

    def _alike(self, pairs: np.ndarray, signatures_: np.ndarray) -> Iterator[tuple[int, int, str | None]]:
        """The pairs `[p, 2]` of a new row and an earlier one that are similar enough; the id of one seen before."""
        for i, j in pairs.tolist():
            if j < self._count:
                (seen,) = np.frombuffer(os.pread(self._file.fileno(), _ROW.itemsize, j * _ROW.itemsize), _ROW)
                other, original = seen["hashes"], seen["id"].decode()
            else:
                other, original = signatures_[j - self._count], None
            if (signatures_[i] == other).mean() >= self.threshold:
                yield i, j, original

    def _add(self, ids: list[str], signatures_: np.ndarray, keys: np.ndarray, unknown: np.ndarray) -> None:
        """Take in rows that are no copies; `unknown` says which of their bands, row by row, are."""
        rows = np.empty(len(ids), _ROW)
        rows["id"], rows["hashes"] = ids, signatures_
        self._file.write(rows.tobytes())
        self._file.flush()
        numbers = np.repeat(np.arange(self._count, self._count + len(ids)), BANDS)
        self._bands.add(keys.ravel()[unknown], numbers[unknown])
        self._count += len(ids)


def _band_keys(signatures_: np.ndarray) -> np.ndarray:
    """One 64-bit key per band of each signature: `[rows, BANDS]`, uint64."""
    parts = signatures_.astype(np.uint64).reshape(len(signatures_), BANDS, PERMUTATIONS // BANDS)
    key = np.broadcast_to(np.arange(1, BANDS + 1, dtype=np.uint64), parts.shape[:2]).copy()
    for column in range(parts.shape[2]):  # an FNV-style mix; wrap-around is meant
        key = (key ^ parts[:, :, column]) * np.uint64(0x100000001B3)
        key ^= key >> np.uint64(29)
    return key
