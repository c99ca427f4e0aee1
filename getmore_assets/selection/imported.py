"""Another tool's choice: its rows, their ids, or their places in a pool file, as an order of candidates.

Belongs here: what such files mean, and whether they have changed. Does not: reading rows of text (`corpus/readers.py`).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from getmore_assets.config import Imported, Rows, Source, Task
from getmore_assets.corpus import pool, readers
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.errors import BadInput

_FIX = "Give text rows, `id`, or `index` with `pool`"
_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".jsonl": pl.read_ndjson,
    ".ndjson": pl.read_ndjson,
    ".csv": pl.read_csv,
}


def read(chosen: Imported, task: Task) -> pl.DataFrame:
    """The ids that were chosen, best first: id, and origin (`file:row`) for whoever must say which is wrong.

    A row that is longer than a passage stands for all its passages.

    Raises:
        BadInput: A column is missing, a place is outside the pool file, or a file cannot be read.
    """
    if chosen.id is not None:
        rows = _columns(chosen, [chosen.id]).select(pl.col(chosen.id).cast(pl.String).alias("id"), "score", "origin")
    elif chosen.counts:
        rows = _by_index(chosen, task)
    else:
        rows = _by_text(chosen, task)
    if chosen.score is not None:
        rows = rows.sort("score", descending=True, nulls_last=True, maintain_order=True)
    rows = rows.unique("id", keep="first", maintain_order=True)
    if not rows.height:
        raise BadInput(chosen.path, "chooses no row", _FIX)
    return rows.select("id", "origin")


def version(chosen: Imported, task: Task) -> str:
    """Changes when, and only when, what was chosen may have: with its file, and with the one that its places count in.

    Raises:
        BadInput: There is no such file, or none is named that the places count in.
    """
    own = readers.file_version(chosen.path) if chosen.is_array else readers.data_version(_as_source(chosen))
    return fingerprint(own, readers.data_version(_pool(chosen, task)) if chosen.counts else None)


def _pool(chosen: Imported, task: Task) -> Source:
    """The file that its places count in."""
    of = chosen.pool or (task.candidates[0] if len(task.candidates) == 1 else None)
    if of is None:
        raise BadInput(chosen.path, "counts in a pool file, but several are candidates", "Name it in `imported.pool`")
    return of.model_copy(update={"sample": None, "bad_rows": "error"})  # a row left out would move all after it


def _columns(chosen: Imported, names: list[str]) -> pl.DataFrame:
    """The columns asked for, the score where one is named, and origin, of a table without text."""
    path = Path(chosen.path)
    read: Callable[[Path], pl.DataFrame] | None = _READERS.get(path.suffix) if path.is_file() else None
    if read is None:
        raise BadInput(chosen.path, "is no Parquet, JSONL or CSV file", _FIX)
    try:
        rows = read(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(chosen.path, f"cannot be read ({error})", "Write it again") from None
    rows = rows.rename({name: name.strip() for name in rows.columns})  # LESS writes a space after each comma
    for name in [*names, *([chosen.score] if chosen.score else [])]:
        if name not in rows.columns:
            raise BadInput(chosen.path, f"no column `{name}`", f"Its columns are: {', '.join(rows.columns)}")
    rows = rows.with_columns(pl.col(pl.String).str.strip_chars())
    score = pl.col(chosen.score).cast(pl.Float64) if chosen.score else pl.lit(None, pl.Float64)
    origin = pl.format("{}:{}", pl.lit(chosen.path), pl.int_range(1, pl.len() + 1))
    return rows.select(*names, score=score, origin=origin)


def _by_text(chosen: Imported, task: Task) -> pl.DataFrame:
    """Rows of text."""
    parts = [pool.passages_of(batch, task.corpus.passage_chars) for batch in readers.read(_as_source(chosen))]
    rows = pl.concat([part.select("id", "label", "origin") for part in parts])
    return rows.select("id", pl.col("label").cast(pl.Float64, strict=False).alias("score"), "origin")


def _by_index(chosen: Imported, task: Task) -> pl.DataFrame:
    """Places, from 0, in a pool file."""
    of, rows = _pool(chosen, task), _places(chosen)
    height, found = 0, []
    for batch in readers.read(of):
        place = pl.int_range(height, height + batch.height, eager=True).alias("place")
        numbered = batch.select("text").with_columns(place, origin=pl.lit(""))
        found.append(pool.passages_of(numbered, task.corpus.passage_chars).select("place", "id"))
        height += batch.height
    outside = rows.filter((pl.col("place") < 0) | (pl.col("place") >= height))
    if outside.height:
        what = f"place {outside['place'][0]} is outside the {height} rows of {of.path}"
        raise BadInput(outside["origin"][0], what, "Give the pool file that the places count in")
    met = rows.join(pl.concat(found), on="place", how="inner", maintain_order="left")
    return met.select("id", "score", "origin")


def _places(chosen: Imported) -> pl.DataFrame:
    """place, score and origin, of an index array or of a table with a column of places."""
    if not chosen.is_array:
        assert chosen.index is not None
        rows = _columns(chosen, [chosen.index])
        return rows.select(pl.col(chosen.index).cast(pl.Int64).alias("place"), "score", "origin")
    try:
        places = np.load(chosen.path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise BadInput(chosen.path, f"cannot be read ({error})", "Write one integer a row with `np.save`") from None
    if places.ndim != 1 or not np.issubdtype(places.dtype, np.integer):
        raise BadInput(chosen.path, f"holds {places.dtype} of shape {places.shape}", "Write one integer a row")
    rows = pl.DataFrame({"place": places.astype(np.int64)}).with_row_index("row", 1)
    origin = pl.format("{}:{}", pl.lit(chosen.path), "row")
    return rows.select("place", pl.lit(None, pl.Float64).alias("score"), origin.alias("origin"))


def _as_source(chosen: Imported) -> Source:
    """Where it lies; a score column travels in the place of the label."""
    return Source(**chosen.model_dump(include=set(Rows.model_fields)), label=chosen.score)
