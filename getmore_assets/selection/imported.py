"""Another tool's choice: its rows, their ids, or their places in a pool file, as an order of candidates.

Belongs here: what such files mean, and whether they have changed. Does not: reading rows (`corpus/readers.py`).
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from getmore_assets.config import Imported, Rows, Source, Task
from getmore_assets.corpus import pool, readers
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.errors import BadInput

_FIX = "Give text rows, `id`, or `index` with `pool`"
_IDS = {"id": pl.String, "score": pl.Float64, "origin": pl.String}
_PLACES = {"place": pl.Int64, "score": pl.Float64, "origin": pl.String}


def read(chosen: Imported, task: Task) -> pl.DataFrame:
    """The ids that were chosen, best first: id, and origin (`file:row`) for whoever must say which is wrong.

    A row that is longer than a passage stands for all its passages.

    Raises:
        BadInput: A column is missing, a place is outside the pool file, or a file or a row cannot be read.
    """
    if chosen.id is not None:
        rows = _ids(chosen)
    elif chosen.counts:
        rows = _by_index(chosen, task)
    else:
        rows = _by_text(chosen, task)
    if chosen.score is not None:
        rows = rows.sort("score", descending=True, maintain_order=True)
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


def _by_text(chosen: Imported, task: Task) -> pl.DataFrame:
    """Rows of text."""
    parts = [pl.DataFrame(schema=_IDS)]
    for batch in readers.read(_as_source(chosen)):
        given = batch["label"].alias(chosen.score or "").str.strip_chars()
        score = _numbers(given, batch["origin"]) if chosen.score else _unscored(batch)
        scored = batch.select("text", "origin", score=score)
        parts.append(pool.passages_of(scored, task.corpus.passage_chars).select(*_IDS))
    return pl.concat(parts)


def _by_index(chosen: Imported, task: Task) -> pl.DataFrame:
    """Places, from 0, in a pool file."""
    of, rows = _pool(chosen, task), _places(chosen)
    height, found = 0, [pl.DataFrame(schema={"place": pl.Int64, "id": pl.String})]
    for batch in readers.read(of):
        place = pl.int_range(height, height + batch.height, eager=True).alias("place")
        numbered = batch.select("text").with_columns(place, origin=pl.lit(""))
        found.append(pool.passages_of(numbered, task.corpus.passage_chars).select("place", "id"))
        height += batch.height
    outside = rows.filter((pl.col("place") < 0) | (pl.col("place") >= height))
    if outside.height:
        what = f"place {outside['place'][0]} is outside the {height} rows of {of.path}"
        raise BadInput(outside["origin"][0], what, "Give the pool file that the places count in")
    met = rows.join(pl.concat(found), on="place", how="inner", maintain_order="left_right")
    return met.select(*_IDS)


def _ids(chosen: Imported) -> pl.DataFrame:
    """Ids, scores and origins of a table with a column of ids."""
    assert chosen.id is not None
    parts = [pl.DataFrame(schema=_IDS)]
    for batch, origins in _tables(chosen, [chosen.id]):
        ids = batch[chosen.id]
        _require(ids.is_not_null() & (ids.dtype == pl.String), ids, origins, "no id")
        parts.append(pl.DataFrame([ids.alias("id"), _scores(chosen, batch, origins), origins]))
    return pl.concat(parts)


def _places(chosen: Imported) -> pl.DataFrame:
    """Places, scores and origins of an index array, or of a table with a column of places."""
    if chosen.is_array:
        return _array(chosen.path)
    assert chosen.index is not None
    parts = [pl.DataFrame(schema=_PLACES)]
    for batch, origins in _tables(chosen, [chosen.index]):
        places = _numbers(batch[chosen.index], origins)
        _require(places.is_finite() & (places == places.floor()), batch[chosen.index], origins, "no whole number")
        parts.append(pl.DataFrame([places.cast(pl.Int64).alias("place"), _scores(chosen, batch, origins), origins]))
    return pl.concat(parts)


def _array(path: str) -> pl.DataFrame:
    try:
        places = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise BadInput(path, f"cannot be read ({error})", "Write one integer a row with `np.save`") from None
    if places.ndim != 1 or not np.issubdtype(places.dtype, np.integer):
        raise BadInput(path, f"holds {places.dtype} of shape {places.shape}", "Write one integer a row")
    rows = pl.DataFrame({"place": places.astype(np.int64)}).with_row_index("row", 1)
    return rows.select("place", _unscored(rows), origin=pl.format("{}:{}", pl.lit(path), "row"))


def _tables(chosen: Imported, names: list[str]) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Batches of a table without text that has some columns, and the score's where one is named; and their origins."""
    wanted = [*names, *([chosen.score] if chosen.score else [])]
    for whole, origins in readers.read_whole(_as_source(chosen)):
        batch = whole.rename(str.strip)  # LESS writes a space after each comma
        for name in wanted:
            if name not in batch.columns:
                raise BadInput(chosen.path, f"no column `{name}`", f"Its columns are: {', '.join(batch.columns)}")
        yield batch.select(list(dict.fromkeys(wanted))).with_columns(pl.col(pl.String).str.strip_chars()), origins


def _scores(chosen: Imported, batch: pl.DataFrame, origins: pl.Series) -> pl.Series:
    return _numbers(batch[chosen.score], origins).alias("score") if chosen.score else _unscored(batch)


def _unscored(batch: pl.DataFrame) -> pl.Series:
    return pl.Series("score", [None] * batch.height, dtype=pl.Float64)


def _numbers(column: pl.Series, origins: pl.Series) -> pl.Series:
    """A column as float64; CSV holds them as text."""
    plain = column.dtype.is_numeric() or column.dtype == pl.String
    numbers = column.cast(pl.Float64, strict=False) if plain else _unscored(column.to_frame())
    _require(numbers.is_not_null() & numbers.is_not_nan(), column, origins, "no number")
    return numbers


def _require(good: pl.Series, column: pl.Series, origins: pl.Series, what: str) -> None:
    """Refuse the first row of a column that is not good."""
    if not good.all():
        row = int(np.argmin(good))
        raise BadInput(origins[row], f"`{column.name}` is {column[row]!r:.80}, which is {what}", "Mend the row")


def _as_source(chosen: Imported) -> Source:
    """Where it lies; a score column travels in the place of the label."""
    return Source(**chosen.model_dump(include=set(Rows.model_fields)), label=chosen.score)
