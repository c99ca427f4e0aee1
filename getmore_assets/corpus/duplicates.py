"""Near-duplicates: MinHash bands propose pairs of rows, and the Jaccard similarity of their shingles decides.

Belongs here: the index of the rows seen, and marking near-duplicates. Does not: shingles and signatures
(`shingles.py`), exact duplicates (one row per content id, `pool.py`), or excluding near-duplicates (`candidates.py`).
"""

from pathlib import Path
from tempfile import gettempdir

import numpy as np

from getmore_assets.corpus.bands import FirstRows
from getmore_assets.corpus.growing import GrowingArray
from getmore_assets.corpus.shingles import PERMUTATIONS, Shingles, similarities

BANDS = 16  # 16 bands of 4: a pair of similarity 0.8 shares some band with probability 0.9998
_ID_BYTES = 32


class NearDuplicates:
    """An index of the original rows seen so far, which marks later rows as near-duplicates.

    At most 100 MB are in memory. The rest is in temporary files: bands (0.2 kB per original), ids and shingles.

    Args:
        threshold: The lowest Jaccard similarity of shingles at which a row is a near-duplicate.
        folder: The folder for the temporary files; None for the system's.
    """

    def __init__(self, threshold: float, folder: Path | None = None) -> None:
        self.threshold = threshold
        folder = folder or Path(gettempdir())
        self._bands = FirstRows(folder)
        self._ends = GrowingArray("<i8", folder)  # where each row's shingles end in `_hashes`; the first is 0
        self._ends.add(np.zeros(1, np.int64))
        self._ids, self._hashes = GrowingArray(f"S{_ID_BYTES}", folder), GrowingArray("<u4", folder)

    def add_known(self, ids: list[str], shingles: Shingles) -> None:
        """Add rows that an earlier run found to be originals."""
        keys = band_keys(shingles)
        self._add(ids, shingles, keys, self._bands.find(keys.ravel()) < 0)

    def mark(self, ids: list[str], shingles: Shingles, keys: np.ndarray | None = None) -> list[str | None]:
        """Return for each row the id of the original that it duplicates, or None; add the originals.

        Args:
            ids: The ids of the rows, none seen before; ASCII, at most 32 characters.
            shingles: The shingles of the rows.
            keys: The band keys of the rows (`band_keys`, `[rows, 16]`), if they are computed already.
        """
        known, keys = len(self._ends) - 1, band_keys(shingles) if keys is None else keys
        new = np.repeat(np.arange(len(ids)), BANDS)
        # Only the first row with the same key is compared: n rows of one boilerplate give n pairs per band, not n².
        unique, at, band = np.unique(keys.ravel(), return_index=True, return_inverse=True)
        before, first = self._bands.find(unique)[band], new[at][band]
        seen, later = before >= 0, first < new
        pairs = np.concatenate(
            [np.stack([new[seen], before[seen]], axis=1), np.stack([new[later], first[later] + known], axis=1)]
        )
        similar, known_ids = self._similar(np.unique(pairs, axis=0), shingles)
        originals: list[str | None] = [None] * len(ids)
        for i, j in similar.tolist():
            if originals[i] is None:
                originals[i] = known_ids[j] if j < known else originals[j - known] or ids[j - known]
        kept = np.array([original is None for original in originals], dtype=bool)
        unknown = ~seen.reshape(len(ids), BANDS)[kept].ravel()
        self._add([ids[i] for i in np.flatnonzero(kept)], shingles.rows(np.flatnonzero(kept)), keys[kept], unknown)
        return originals

    def _similar(self, pairs: np.ndarray, shingles: Shingles) -> tuple[np.ndarray, dict[int, str]]:
        """Return the pairs `[p, 2]` of a new and an earlier row that are near-duplicates, and the known rows' ids."""
        known = len(self._ends) - 1
        sizes = np.append(self._sizes(pairs[:, 1][pairs[:, 1] < known]), 0)
        seen = pairs[:, 1] < known
        earlier_size = np.where(seen, sizes[np.cumsum(seen) - 1], shingles.sizes[np.maximum(pairs[:, 1] - known, 0)])
        new_size = shingles.sizes[pairs[:, 0]]
        # The similarity of two sets is at most the ratio of their sizes.
        pairs = pairs[np.minimum(new_size, earlier_size) >= self.threshold * np.maximum(new_size, earlier_size)]
        earlier = np.unique(pairs[:, 1])
        ids, stored = self._read(earlier[earlier < known])
        both = Shingles(
            np.concatenate([stored.hashes, shingles.hashes]), np.append(stored.ends, shingles.ends + len(stored.hashes))
        )
        rows = np.where(pairs[:, 1] < known, np.searchsorted(earlier, pairs[:, 1]), pairs[:, 1] - known + len(stored))
        similar = similarities(shingles.rows(pairs[:, 0]), both.rows(rows)) >= self.threshold
        return pairs[similar], dict(zip(earlier[: len(ids)].tolist(), ids, strict=True))

    def _sizes(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of shingles of known rows."""
        sizes: np.ndarray = self._ends.at(rows + 1) - self._ends.at(rows)
        return sizes

    def _read(self, rows: np.ndarray) -> tuple[list[str], Shingles]:
        """Return the ids and shingles of known rows."""
        starts, sizes = self._ends.at(rows), self._sizes(rows)
        ends = np.cumsum(sizes)
        places = np.repeat(starts - ends + sizes, sizes) + np.arange(sizes.sum())
        return [id_.decode() for id_ in self._ids.at(rows).tolist()], Shingles(self._hashes.at(places), ends)

    def _add(self, ids: list[str], shingles: Shingles, keys: np.ndarray, unknown: np.ndarray) -> None:
        """Add originals; `unknown` marks their band keys, row by row, that the index lacks."""
        first = len(self._ends) - 1
        self._ids.add(np.array(ids, f"S{_ID_BYTES}"))
        self._ends.add(len(self._hashes) + shingles.ends)
        self._hashes.add(shingles.hashes)
        numbers = np.repeat(np.arange(first, first + len(ids)), BANDS)
        self._bands.add(keys.ravel()[unknown], numbers[unknown])


def band_keys(shingles: Shingles) -> np.ndarray:
    """Return a 64-bit key per band of the MinHash signature of each row: `[rows, BANDS]`, uint64."""
    signatures = shingles.signatures()
    parts = signatures.astype(np.uint64).reshape(len(signatures), BANDS, PERMUTATIONS // BANDS)
    key = np.broadcast_to(np.arange(1, BANDS + 1, dtype=np.uint64), parts.shape[:2]).copy()
    for column in range(parts.shape[2]):  # an FNV-style mix, modulo 2⁶⁴
        key = (key ^ parts[:, :, column]) * np.uint64(0x100000001B3)
        key ^= key >> np.uint64(29)
    return key
