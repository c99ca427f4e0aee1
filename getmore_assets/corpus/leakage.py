"""Leakage: text that a model would be trained on and is evaluated on, exactly, nearly, or one inside the other.

Belongs here: finding it. Does not: what is done about it (`stages/leakage.py`, `target.py`, `candidates.py`).

All four kinds are found by n-grams of tokens (`tokens.py`; "words" below), so case, white space and punctuation do not
count:

- exact: the same words;
- near: the Jaccard similarity of the word triples is at least 0.6;
- contained: runs of ten words that the two share (of all its words, where an evaluated row has six to nine) cover half
  of the evaluated row;
- piece: they cover half of the row that is looked at, as where a long evaluated row was cut into passages.

Not found: a row of fewer than 14 words with one in the middle changed, or a piece of fewer than ten. N-grams that are
common among the evaluated rows are boilerplate, and say nothing; a text that is evaluated in many rows (once for each
pair of entities that it names, say) counts once. Three characters come together in more texts than three words, so
n-grams of single characters are boilerplate sooner.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from getmore_assets.corpus.token_hashes import TokenHashes

NEAR, COVERED = 0.6, 0.5
RUN, _SHORTEST = 10, 6  # words
_TRIPLE = 3
_COMMON_RUN, _COMMON_TRIPLE, _COMMON_CHARACTERS = 10, 200, 20  # evaluated texts beyond which an n-gram is boilerplate
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
SCHEMA = {"id": pl.String, "kind": pl.String, "split": pl.String, "of": pl.String, "overlap": pl.Float64}


@dataclass(frozen=True)
class _Words:
    """Texts as hashes of their words: `hashes` of all, one text after the other, and `counts` of each.

    `long` says which words have more than one character.
    """

    hashes: np.ndarray
    counts: np.ndarray
    long: np.ndarray
    _made: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, texts: pl.Series) -> "_Words":
        found = TokenHashes.of(texts)
        return cls(found.hashes, found.counts, found.long)

    def of_rows(self, rows: np.ndarray) -> "_Words":
        """Some of the texts alone, in that order."""
        places = [np.arange(self._ends[row] - self.counts[row], self._ends[row]) for row in rows]
        at = np.concatenate([np.arange(0), *places])
        return _Words(self.hashes[at], self.counts[rows], self.long[at])

    def of_characters(self, size: int) -> pl.Series:
        """The hashes of the runs of `size` words that are one character each."""
        words = np.concatenate([[0], np.cumsum(self.long)])
        return pl.Series("gram", np.unique(self._mixed(size)[words[size:] == words[:-size]]), dtype=pl.UInt64)

    def grams(self, size: int, among: "_Sieve | None" = None) -> pl.DataFrame:
        """Every run of `size` words: its hash, the number of its text, and its place there.

        With `among`, those that pass the sieve alone: of a large pool almost none do.
        """
        room = len(self.hashes) - size + 1
        if room <= 0:
            return pl.DataFrame(schema={"gram": pl.UInt64, "row": pl.Int64, "at": pl.Int64})
        mixed = self._mixed(size)
        starts = np.arange(room) if among is None else among.passing(mixed)
        row, last = self._rows_at(starts), self._rows_at(starts + size - 1)
        starts, row = starts[row == last], row[row == last]
        return pl.DataFrame({"gram": mixed[starts], "row": row, "at": starts - (self._ends - self.counts)[row]})

    def _mixed(self, size: int) -> np.ndarray:
        """A hash of the `size` words from each word on: that of one word fewer, taken further."""
        if size == 0:
            return np.zeros(len(self.hashes) + 1, np.uint64)
        if size not in self._made:
            room = len(self.hashes) - size + 1
            mixed = self._mixed(size - 1)[:room] * _FACTOR + self.hashes[size - 1 :]  # wrap-around is meant
            self._made[size] = mixed ^ (mixed >> np.uint64(29))
        return self._made[size]

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.counts)

    def _rows_at(self, places: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._ends, places, side="right")


class _Sieve:
    """Which of many hashes may be among a few: never wrong where it says no."""

    def __init__(self, hashes: pl.Series) -> None:
        bits = max(16, int(hashes.len()).bit_length() + 5)
        self._shift = np.uint64(64 - bits)
        self._known = np.zeros(1 << bits, np.bool_)
        self._known[hashes.to_numpy() >> self._shift] = True

    def passing(self, hashes: np.ndarray) -> np.ndarray:
        return np.flatnonzero(self._known[hashes >> self._shift])


class Guard:
    """The rows that a model is evaluated on, and what leaks them.

    Args:
        evaluated: id, split, text.
        whole: How many times these rows are what would be evaluated: an n-gram is boilerplate in as many times more.
    """

    def __init__(self, evaluated: pl.DataFrame, whole: int = 1) -> None:
        every = _Words.of(evaluated["text"])
        # Of rows with the same words the first stands for all, else a text in many rows would be its own boilerplate.
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
        self._runs = {
            size: _without_common(grams, whole * _COMMON_RUN) for size, grams in self._runs.items() if grams.height
        }
        self._run_sieves = {size: _Sieve(grams["gram"]) for size, grams in self._runs.items()}
        triples = words.grams(_TRIPLE).unique(["gram", "row"], maintain_order=True)
        most = pl.when(pl.col("gram").is_in(words.of_characters(_TRIPLE).implode())).then(whole * _COMMON_CHARACTERS)
        self._common = (
            triples.group_by("gram").len().filter(pl.col("len") > most.otherwise(whole * _COMMON_TRIPLE)).select("gram")
        )
        self._triples = triples.join(self._common, on="gram", how="anti").select("gram", of="row")
        self._triple_sieve = _Sieve(self._triples["gram"])
        self._sizes = self._triples.group_by("of").len("of_size")
        self._whole = _whole(words).rename({"row": "of"})

    def leaks(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What of some rows (id, text) leaks: id, kind, split, of (the evaluated row's id) and overlap, 0 to 1.

        One line for each row that leaks: its strongest kind, and the evaluated row that it overlaps most.
        """
        words = _Words.of(rows["text"])
        found = pl.concat([self._exact(words), self._near(words), *self._one_in_the_other(words)])
        best = found.sort("row", "order", "overlap", "of", descending=[False, False, True, False]).unique(
            "row", keep="first", maintain_order=True
        )
        evaluated = (
            self._rows.select("split", of_id="id").with_row_index("of").with_columns(pl.col("of").cast(pl.Int64))
        )
        ids = rows.select("id").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
        named = best.join(evaluated, on="of").join(ids, on="row").sort("row")
        return named.select("id", "kind", "split", pl.col("of_id").alias("of"), "overlap").cast(SCHEMA)  # type: ignore[arg-type]

    def cost(self) -> int:
        """What `pairs` takes where these rows are held against themselves: places that meet, a run's ten times ten."""
        met = [(one, RUN**2) for one in self._runs.values()] + [(self._triples, 1)]
        return sum(times * int((one.group_by("gram").len()["len"].cast(pl.Int64) ** 2).sum()) for one, times in met)

    def pairs(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Every pair of one of some rows (id, text) and an evaluated row that it leaks, by their places: row and of."""
        words = _Words.of(rows["text"])
        found = pl.concat([self._exact(words), self._near(words), *self._one_in_the_other(words)])
        return found.select("row", of=pl.lit(self._first).gather("of")).unique()

    def _exact(self, words: _Words) -> pl.DataFrame:
        return _found(_whole(words).join(self._whole, on=["gram", "words"]).with_columns(overlap=1.0), "exact", 0)

    def _near(self, words: _Words) -> pl.DataFrame:
        mine = words.grams(_TRIPLE, self._triple_sieve).select("gram", "row").unique()
        shared = mine.join(self._triples, on="gram").group_by("row", "of").len("shared").join(self._sizes, on="of")
        close = shared.filter(pl.col("shared") >= NEAR * pl.col("of_size"))  # what else the two hold only adds
        met = close.join(self._own_sizes(words, close["row"].unique()), on="row")
        jaccard = pl.col("shared") / (pl.col("size") + pl.col("of_size") - pl.col("shared"))
        return _found(met.with_columns(overlap=jaccard).filter(pl.col("overlap") >= NEAR), "near", 1)

    def _own_sizes(self, words: _Words, rows: pl.Series) -> pl.DataFrame:
        """How many triples, each counted once and boilerplate not at all, some rows hold."""
        grams = words.of_rows(rows.to_numpy()).grams(_TRIPLE).select("gram", pl.lit(rows).gather("row").alias("row"))
        grams = grams.unique().join(self._common, on="gram", how="anti")
        return grams.group_by("row").len("size")

    def _one_in_the_other(self, words: _Words) -> list[pl.DataFrame]:
        """Of each pair that shares runs, how much of the evaluated row they cover, and how much of the other."""
        parts = [
            pl.DataFrame(schema={"row": pl.Int64, "of": pl.Int64, "at": pl.List(pl.Int64), "in": pl.List(pl.Int64)})
        ]
        for size, runs in self._runs.items():
            mine = words.grams(size, self._run_sieves[size]).rename({"at": "in"})
            places = (pl.int_ranges(place, pl.col(place) + size).alias(place) for place in ("at", "in"))
            parts.append(mine.join(runs.rename({"row": "of"}), on="gram").select("row", "of", *places))
        shared, found = pl.concat(parts), []
        for order, (kind, place, side, counts) in enumerate(
            [("contained", "at", "of", self._counts), ("piece", "in", "row", words.counts)], 2
        ):
            covered = shared.select("row", "of", place).explode(place).unique().group_by("row", "of").len("covered")
            sizes = pl.DataFrame({side: np.arange(len(counts)), "words": counts.astype(np.int64)})
            met = covered.join(sizes, on=side).with_columns(overlap=pl.col("covered") / pl.col("words"))
            found.append(_found(met.filter(pl.col("overlap") >= COVERED), kind, order))
        return found


def _whole(words: _Words) -> pl.DataFrame:
    """One hash of all words of each text that has any."""
    totals = np.zeros(len(words.counts), np.uint64)
    at = np.arange(len(words.hashes)) - np.repeat(np.cumsum(words.counts) - words.counts, words.counts)
    place = (at.astype(np.uint64) + np.uint64(1)) * _FACTOR
    np.add.at(totals, np.repeat(np.arange(len(words.counts)), words.counts), (words.hashes ^ place) * _FACTOR)
    rows = pl.DataFrame({"gram": totals, "words": words.counts.astype(np.int64), "row": np.arange(len(totals))})
    return rows.filter(pl.col("words") > 0)


def _without_common(grams: pl.DataFrame, most: int) -> pl.DataFrame:
    common = grams.group_by("gram").agg(pl.col("row").n_unique()).filter(pl.col("row") > most)
    return grams.join(common.select("gram"), on="gram", how="anti")


def _found(met: pl.DataFrame, kind: str, order: int) -> pl.DataFrame:
    return met.select(
        "row", "of", pl.col("overlap").cast(pl.Float64), pl.lit(kind).alias("kind"), pl.lit(order).alias("order")
    )
