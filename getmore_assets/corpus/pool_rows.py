"""Passages and sketches of a batch of the pool's rows, which any process can compute.

Belongs here: functions of a batch that read and write nothing else. Does not: comparing rows with other rows
(`duplicates.py`), or the table (`pool.py`).
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from getmore_assets.corpus.duplicates import band_keys
from getmore_assets.corpus.identity import content_id, sampling_number
from getmore_assets.corpus.passages import clean, cut
from getmore_assets.corpus.shingles import Shingles
from getmore_assets.corpus.tokens import token_counts


def passages_of(rows: pl.DataFrame, longest: int | None) -> pl.DataFrame:
    """Clean rows and cut them into passages, with content ids and `part` numbers; `longest=None` does not cut."""
    cleaned = [clean(text) for text in rows["text"]]
    pieces = [[text] if longest is None else cut(text, longest) for text in cleaned]
    numbers = np.repeat(np.arange(rows.height), [len(p) for p in pieces])
    texts = [text for p in pieces for text in p]
    parts = pl.Series("part", [n for p in pieces for n in range(len(p))], dtype=pl.Int64)
    return rows[numbers.tolist()].with_columns(
        pl.Series("text", texts, dtype=pl.String),
        pl.Series("id", [content_id(text) for text in texts], dtype=pl.String),
        token_counts(pl.Series("n_tokens", texts, dtype=pl.String)),
        parts,
        pl.when(parts > 0).then(pl.col("origin") + "#" + parts.cast(pl.String)).otherwise("origin").alias("origin"),
    )


def is_held_out(id_: str, share: float) -> bool:
    """Return whether a row is held out to measure forgetting on; this depends only on its id and the share."""
    return sampling_number(id_, "held-out") < share


class Sketch(NamedTuple):
    """Shingles and band keys of rows (None if near-duplicates are not marked), and whether each row is held out."""

    shingles: tuple[Shingles, np.ndarray] | None
    held_out: list[bool]


def sketch(rows: pl.DataFrame, *, with_shingles: bool, held_out: float) -> Sketch:
    """Return the sketch of rows (id, text); `held_out` is the share of rows to hold out."""
    shingles = Shingles.of(rows["text"]) if with_shingles else None
    keyed = (shingles, band_keys(shingles)) if shingles else None
    return Sketch(keyed, [is_held_out(id_, held_out) for id_ in rows["id"]])
