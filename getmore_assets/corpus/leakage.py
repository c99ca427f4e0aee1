"""Leakage: training rows that overlap evaluated rows.

Belongs here: finding the overlaps. Does not: excluding rows (`stages/leakage.py`, `target.py`, `candidates.py`).

A row is compared with each evaluated row by n-grams of tokens (`tokens.py`, "words" below), so case, white space and
punctuation do not count. There are four kinds of overlap:

- exact: the words are the same;
- near: the Jaccard similarity of the word triples is at least 0.6;
- contained: shared runs of ten words cover half of the evaluated row; if that row has only six to nine words, one run
  of all its words is shared;
- piece: shared runs cover half of the row, as after cutting a long evaluated row into passages.

Not found: a row of fewer than 14 words with a word in the middle changed, and a piece of fewer than ten words. N-grams
that many evaluated rows have are boilerplate and are ignored; evaluated rows with the same words count as one. Runs of
single characters (of scripts without spaces) are boilerplate at a lower number of rows, because they repeat more often.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from getmore_assets.corpus.token_hashes import TokenHashes

NEAR, COVERED = 0.6, 0.5
RUN, _SHORTEST = 10, 6  # words
_TRIPLE = 3
_COMMON_RUN, _COMMON_TRIPLE, _COMMON_CHARACTERS = 10, 200, 20  # an n-gram in more evaluated texts is boilerplate
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
SCHEMA = {"id": pl.String, "kind": pl.String, "split": pl.String, "of": pl.String, "overlap": pl.Float64}


@dataclass(frozen=True)
class _Words:
    """The words of texts, one text after the other.

    Attributes:
        hashes: `[words]`, uint64.
        counts: Number of words of each text: `[texts]`.
        long: Whether a word has more than one character: `[words]`.
    """

    hashes: np.ndarray
    counts: np.ndarray
    long: np.ndarray
    _gram_hashes: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, texts: pl.Series) -> "_Words":
        tokens = TokenHashes.of(texts)
        return cls(tokens.hashes, tokens.counts, tokens.long)

    def of_rows(self, rows: np.ndarray) -> "_Words":
        """Return the words of some texts, in that order."""
        ranges = [np.arange(self._ends[row] - self.counts[row], self._ends[row]) for row in rows]
        at = np.concatenate([np.arange(0), *ranges])
        return _Words(self.hashes[at], self.counts[rows], self.long[at])

    def of_characters(self, size: int) -> pl.Series:
        """Return the hashes of n-grams of `size` single characters."""
        words = np.concatenate([[0], np.cumsum(self.long)])
        return pl.Series("gram", np.unique(self._hashes_of(size)[words[size:] == words[:-size]]), dtype=pl.UInt64)

    def grams(self, size: int, sieve: "_Sieve | None" = None) -> pl.DataFrame:
        """Return the n-grams of `size` words: hash, number of the text, and position in the text.

        With a sieve, return only n-grams that pass it; of a large pool almost none do.
        """
        count = len(self.hashes) - size + 1
        if count <= 0:
            return pl.DataFrame(schema={"gram": pl.UInt64, "row": pl.Int64, "at": pl.Int64})
        mixed = self._hashes_of(size)
        starts = np.arange(count) if sieve is None else sieve.passing(mixed)
        row, last = self._rows_at(starts), self._rows_at(starts + size - 1)
        starts, row = starts[row == last], row[row == last]
        return pl.DataFrame({"gram": mixed[starts], "row": row, "at": starts - (self._ends - self.counts)[row]})

    def _hashes_of(self, size: int) -> np.ndarray:
        """Return the hash of the n-gram of `size` words that starts at each word, from n-grams one word shorter."""
        if size == 0:
            return np.zeros(len(self.hashes) + 1, np.uint64)
        if size not in self._gram_hashes:
            count = len(self.hashes) - size + 1
            mixed = self._hashes_of(size - 1)[:count] * _FACTOR + self.hashes[size - 1 :]  # modulo 2⁶⁴
            self._gram_hashes[size] = mixed ^ (mixed >> np.uint64(29))
        return self._gram_hashes[size]

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.counts)

    def _rows_at(self, places: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._ends, places, side="right")


class _Sieve:
    """A Bloom-like filter: which of many hashes may be in a small set; it has false positives only."""

    def __init__(self, hashes: pl.Series) -> None:
        bits = max(16, int(hashes.len()).bit_length() + 5)
        self._shift = np.uint64(64 - bits)
        self._known = np.zeros(1 << bits, np.bool_)
        self._known[hashes.to_numpy() >> self._shift] = True

    def passing(self, hashes: np.ndarray) -> np.ndarray:
        return np.flatnonzero(self._known[hashes >> self._shift])


class Guard:
    """Finds the rows that overlap evaluated rows.

    Args:
        evaluated: id, split, text.
        boilerplate_factor: Multiplies the number of evaluated texts from which an n-gram is boilerplate.
    """

    def __init__(self, evaluated: pl.DataFrame, boilerplate_factor: int = 1) -> None:
        every = _Words.of(evaluated["text"])
        # Use only the first of rows with the same words; else a text in many rows would be its own boilerplate.
        first = _whole(every).unique(["gram", "words"], keep="first", maintain_order=True)["row"]
        self._rows, self._first = evaluated.select("id", "split")[first], first
        words = every.of_rows(first.to_numpy())
        self._counts = words.counts
        self._runs = {
            size: words.grams(size).filter(
                pl.col("row").is_in(np.flatnonzero(np.minimum(words.counts, RUN) == size).tolist())
            )
            for size in range(_SHORTEST, RUN + 1)
        }
        most = boilerplate_factor * _COMMON_RUN
        self._runs = {size: _without_common(grams, most) for size, grams in self._runs.items() if grams.height}
        self._run_sieves = {size: _Sieve(grams["gram"]) for size, grams in self._runs.items()}
        triples = words.grams(_TRIPLE).unique(["gram", "row"], maintain_order=True)
        is_characters = pl.col("gram").is_in(words.of_characters(_TRIPLE).implode())
        limit = pl.when(is_characters).then(_COMMON_CHARACTERS).otherwise(_COMMON_TRIPLE) * boilerplate_factor
        self._common = triples.group_by("gram").len().filter(pl.col("len") > limit).select("gram")
        self._triples = triples.join(self._common, on="gram", how="anti").select("gram", of="row")
        self._triple_sieve = _Sieve(self._triples["gram"])
        self._sizes = self._triples.group_by("of").len("of_size")
        self._whole = _whole(words).rename({"row": "of"})

    def leaks(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows (id, text) that overlap evaluated rows: id, kind, split, of and overlap, 0 to 1.

        Each such row is returned once, with the strongest kind; `of` is the evaluated row with the largest overlap.
        """
        overlaps = self._overlaps(_Words.of(rows["text"]))
        best = overlaps.sort("row", "order", "overlap", "of", descending=[False, False, True, False]).unique(
            "row", keep="first", maintain_order=True
        )
        evaluated = (
            self._rows.select("split", of_id="id").with_row_index("of").with_columns(pl.col("of").cast(pl.Int64))
        )
        ids = rows.select("id").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
        named = best.join(evaluated, on="of").join(ids, on="row").sort("row")
        return named.select("id", "kind", "split", pl.col("of_id").alias("of"), "overlap").cast(SCHEMA)  # type: ignore[arg-type]

    def cost(self) -> int:
        """Return an estimate of the cost of `pairs` for the evaluated rows themselves: the number of joined rows."""
        grams = [(runs, RUN**2) for runs in self._runs.values()] + [(self._triples, 1)]
        return sum(cost * int((each.group_by("gram").len()["len"].cast(pl.Int64) ** 2).sum()) for each, cost in grams)

    def pairs(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return each overlapping pair of a row (id, text) and an evaluated row, as their positions: row and of."""
        overlaps = self._overlaps(_Words.of(rows["text"]))
        return overlaps.select("row", of=pl.lit(self._first).gather("of")).unique()

    def _overlaps(self, words: _Words) -> pl.DataFrame:
        return pl.concat([self._exact(words), self._near(words), *self._contained(words)])

    def _exact(self, words: _Words) -> pl.DataFrame:
        return _of_kind(_whole(words).join(self._whole, on=["gram", "words"]).with_columns(overlap=1.0), "exact", 0)

    def _near(self, words: _Words) -> pl.DataFrame:
        triples = words.grams(_TRIPLE, self._triple_sieve).select("gram", "row").unique()
        shared = triples.join(self._triples, on="gram").group_by("row", "of").len("shared").join(self._sizes, on="of")
        close = shared.filter(pl.col("shared") >= NEAR * pl.col("of_size"))  # else the similarity is below NEAR
        sized = close.join(self._own_sizes(words, close["row"].unique()), on="row")
        jaccard = pl.col("shared") / (pl.col("size") + pl.col("of_size") - pl.col("shared"))
        return _of_kind(sized.with_columns(overlap=jaccard).filter(pl.col("overlap") >= NEAR), "near", 1)

    def _own_sizes(self, words: _Words, rows: pl.Series) -> pl.DataFrame:
        """Return the number of distinct triples of some rows, without boilerplate."""
        grams = words.of_rows(rows.to_numpy()).grams(_TRIPLE).select("gram", pl.lit(rows).gather("row").alias("row"))
        grams = grams.unique().join(self._common, on="gram", how="anti")
        return grams.group_by("row").len("size")

    def _contained(self, words: _Words) -> list[pl.DataFrame]:
        """Return the pairs whose shared runs cover half of the evaluated row, or half of the row."""
        parts = [
            pl.DataFrame(schema={"row": pl.Int64, "of": pl.Int64, "at": pl.List(pl.Int64), "in": pl.List(pl.Int64)})
        ]
        for size, runs in self._runs.items():
            own = words.grams(size, self._run_sieves[size]).rename({"at": "in"})
            positions = (pl.int_ranges(name, pl.col(name) + size).alias(name) for name in ("at", "in"))
            parts.append(own.join(runs.rename({"row": "of"}), on="gram").select("row", "of", *positions))
        shared, overlaps = pl.concat(parts), []
        for order, (kind, position, side, counts) in enumerate(
            [("contained", "at", "of", self._counts), ("piece", "in", "row", words.counts)], 2
        ):
            unique = shared.select("row", "of", position).explode(position).unique()
            covered = unique.group_by("row", "of").len("covered")
            sizes = pl.DataFrame({side: np.arange(len(counts)), "words": counts.astype(np.int64)})
            sized = covered.join(sizes, on=side).with_columns(overlap=pl.col("covered") / pl.col("words"))
            overlaps.append(_of_kind(sized.filter(pl.col("overlap") >= COVERED), kind, order))
        return overlaps


def _whole(words: _Words) -> pl.DataFrame:
    """Return a hash of all words of each text that has words."""
    totals = np.zeros(len(words.counts), np.uint64)
    at = np.arange(len(words.hashes)) - np.repeat(np.cumsum(words.counts) - words.counts, words.counts)
    place = (at.astype(np.uint64) + np.uint64(1)) * _FACTOR
    np.add.at(totals, np.repeat(np.arange(len(words.counts)), words.counts), (words.hashes ^ place) * _FACTOR)
    rows = pl.DataFrame({"gram": totals, "words": words.counts.astype(np.int64), "row": np.arange(len(totals))})
    return rows.filter(pl.col("words") > 0)


def _without_common(grams: pl.DataFrame, most: int) -> pl.DataFrame:
    common = grams.group_by("gram").agg(pl.col("row").n_unique()).filter(pl.col("row") > most)
    return grams.join(common.select("gram"), on="gram", how="anti")


def _of_kind(pairs: pl.DataFrame, kind: str, order: int) -> pl.DataFrame:
    return pairs.select(
        "row", "of", pl.col("overlap").cast(pl.Float64), pl.lit(kind).alias("kind"), pl.lit(order).alias("order")
    )
