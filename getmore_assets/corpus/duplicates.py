"""Near-duplicate marks by MinHash.

Belongs here: signatures and the index of those seen. Does not: exact duplicates (one row per content id, `pool.py`),
or what is done with a copy.
"""

import re
import zlib

import numpy as np
import polars as pl

PERMUTATIONS = 64
BANDS = 16  # 16 bands of 4: a pair of similarity 0.8 meets in some band with probability 0.9998
_WORD = re.compile(r"\w+")
_SHINGLE = 3


def signatures(texts: list[str]) -> np.ndarray:
    """MinHash signatures of word triples: `[len(texts), 64]`, uint32."""
    from datasketch import MinHash  # loads scipy: only where rows are new

    shingled = [_shingles(text) for text in texts]
    hashes = MinHash.generator(shingled, num_perm=PERMUTATIONS, seed=1, hashfunc=zlib.crc32)
    return np.array([m.hashvalues for m in hashes], dtype=np.uint32).reshape(len(texts), PERMUTATIONS)


def _shingles(text: str) -> list[bytes]:
    words = _WORD.findall(text.lower())
    count = max(len(words) - _SHINGLE + 1, 1)
    return [" ".join(words[i : i + _SHINGLE]).encode() for i in range(count)]


class NearDuplicates:
    """The rows seen so far that are no copy, and which later rows are copies of them.

    Memory: about 0.6 kB a row that is no copy, and as much again while a batch is taken in.

    Args:
        threshold: Jaccard similarity of word triples, estimated from 64 hashes, from which a row is a copy.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._ids: list[str] = []
        self._signatures = np.empty((0, PERMUTATIONS), np.uint32)
        self._bands = pl.DataFrame(schema={"band": pl.UInt64, "row": pl.UInt32})

    def add_known(self, ids: list[str], signatures_: np.ndarray) -> None:
        """Take in rows that an earlier run found to be no copies, with signatures `[len(ids), 64]`, uint32."""
        self._add(ids, signatures_, _band_keys(signatures_))

    def mark(self, ids: list[str], signatures_: np.ndarray) -> list[str | None]:
        """For each row, the id of the earlier row that it copies, or None; the latter are taken in.

        Args:
            ids: Of the rows, none seen before.
            signatures_: Of `signatures`: `[len(ids), 64]`, uint32.
        """
        known, keys = len(self._ids), _band_keys(signatures_)
        fresh = pl.DataFrame({"band": keys.ravel(), "new": np.repeat(np.arange(len(ids), dtype=np.uint32), BANDS)})
        # A row is held against the first row of each band only: n rows of one boilerplate give n pairs, not n².
        within = fresh.group_by("band").agg(pl.col("new").min().alias("row") + pl.lit(known, pl.UInt32))
        met = (
            pl.concat(
                [
                    fresh.join(self._bands, on="band"),
                    fresh.join(within, on="band").filter(pl.col("row") < pl.col("new") + known),
                ]
            )
            .select("new", "row")
            .unique()
            .sort("new", "row")
        )
        originals: list[str | None] = [None] * len(ids)
        all_signatures = np.concatenate([self._signatures, signatures_])
        new, row = met["new"].to_numpy(), met["row"].to_numpy()
        alike = (signatures_[new] == all_signatures[row]).mean(axis=1) >= self.threshold
        for i, j in zip(new[alike].tolist(), row[alike].tolist(), strict=True):
            if originals[i] is None:
                originals[i] = self._ids[j] if j < known else originals[j - known] or ids[j - known]
        kept = np.array([o is None for o in originals], dtype=bool)
        self._add([i for i, keep in zip(ids, kept, strict=True) if keep], signatures_[kept], keys[kept])
        return originals

    def _add(self, ids: list[str], signatures_: np.ndarray, keys: np.ndarray) -> None:
        rows = np.repeat(np.arange(len(self._ids), len(self._ids) + len(ids), dtype=np.uint32), BANDS)
        bands = pl.DataFrame({"band": keys.ravel(), "row": rows})
        self._bands = pl.concat([self._bands, bands]).unique("band", keep="first", maintain_order=True)
        self._ids.extend(ids)
        self._signatures = np.concatenate([self._signatures, signatures_])


def _band_keys(signatures_: np.ndarray) -> np.ndarray:
    """One 64-bit key per band of each signature: `[rows, BANDS]`, uint64."""
    parts = signatures_.astype(np.uint64).reshape(len(signatures_), BANDS, PERMUTATIONS // BANDS)
    key = np.broadcast_to(np.arange(1, BANDS + 1, dtype=np.uint64), parts.shape[:2]).copy()
    for column in range(parts.shape[2]):  # an FNV-style mix; wrap-around is meant
        key = (key ^ parts[:, :, column]) * np.uint64(0x100000001B3)
        key ^= key >> np.uint64(29)
    return key
