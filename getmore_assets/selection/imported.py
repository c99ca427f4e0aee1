"""The selection of another tool, given as rows, ids or row numbers in pool files, as an order of candidates.

Belongs here: reading such files, refusing files that cannot be understood, and their version. Does not: reading rows
(`corpus/readers.py`).
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from getmore_assets.config import Imported, Rows, Source, Task
from getmore_assets.corpus import pool_rows, readers
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.errors import BadInput

_FIX = "Give text rows, `id`, or `index` with `pool`"
_SEVERAL = "For several, name the column with the file name as `imported.file_name`, and each file in `imported.pools`"
_ONLY = ""  # in place of a file name, if all row numbers are of one pool file
_FILE_NAMES = ("file name", "file_name", "filename")  # usual columns with a row number's file; LESS has the first
_WITH = {"score": pl.Float64, "origin": pl.String}
_IDS = {"id": pl.String, **_WITH}
_PLACES = {"file": pl.String, "place": pl.Int64, **_WITH}


def read(chosen: Imported, task: Task) -> pl.DataFrame:
    """Return the chosen ids, best first: id, and origin (`file:row`) for messages.

    If the pool is cut into passages, a row selects all its passages.

    Raises:
        BadInput: A column is missing, a row number is outside its pool file, or a file or a row cannot be read.
    """
    longest = None if all(source.vector for source in task.candidates) else task.corpus.passage_chars
    if chosen.id is not None:
        rows = _ids(chosen)
    elif chosen.counts:
        places, ids = _places(chosen), [pl.DataFrame(schema={"file": pl.String, "place": pl.Int64, "id": pl.String})]
        for texts in _texts_at(places, chosen, task):
            ids.append(pool_rows.passages_of(texts, longest).select("file", "place", "id"))
        rows = places.join(pl.concat(ids), on=["file", "place"], how="inner", maintain_order="left_right")
    else:
        parts = [pool_rows.passages_of(texts, longest).select(*_IDS) for texts in _texts(chosen)]
        rows = pl.concat([pl.DataFrame(schema=_IDS), *parts])
    if chosen.score is not None:
        rows = rows.sort("score", descending=True, maintain_order=True)
    _require_some(chosen, rows.height)
    return rows.unique("id", keep="first", maintain_order=True).select("id", "origin")


def check(chosen: Imported, task: Task) -> None:
    """Refuse the files that `read` refuses, in less time: texts are not hashed.

    Raises:
        BadInput: As in `read`.
    """
    if chosen.id is not None:
        rows = _ids(chosen).height
    elif chosen.counts:
        rows = sum(texts.height for texts in _texts_at(_places(chosen), chosen, task))
    else:
        rows = sum(texts.height for texts in _texts(chosen))
    _require_some(chosen, rows)


def version(chosen: Imported, task: Task) -> str:
    """Return a version of the selection's file and of the pool files that its row numbers refer to.

    Raises:
        BadInput: The file does not exist, or it is unknown which pool file its row numbers refer to.
    """
    own = readers.file_version(chosen.place) if chosen.is_array else readers.data_version(_as_source(chosen))
    return fingerprint(own, {name: readers.data_version(source) for name, source in _pools(chosen, task).items()})


def _pools(chosen: Imported, task: Task) -> dict[str, Source]:
    """Return the pool files that row numbers refer to, by name; empty if rows are given by text or id."""
    if not chosen.counts:
        return {}
    pools = chosen.pools
    if not pools:
        only = chosen.pool or (task.candidates[0] if len(task.candidates) == 1 else None)
        if only is None:
            what = "numbers rows of one pool file, but several are candidates"
            raise BadInput(chosen.path, what, f"Name it in `imported.pool`. {_SEVERAL}")
        pools = {_ONLY: only}
    for source in pools.values():
        if (number := len(readers.paths(source))) > 1:
            what = f"is {number} files, but the row numbers in {chosen.path} are of one"
            raise BadInput(source.path, what, f"Name that one in `imported.pool`. {_SEVERAL}")
    # Read all rows, because leaving one out would change the numbers of later rows.
    return {name: source.model_copy(update={"sample": None, "bad_rows": "error"}) for name, source in pools.items()}


def _texts_at(places: pl.DataFrame, chosen: Imported, task: Task) -> Iterator[pl.DataFrame]:
    """Yield batches of the rows with the given numbers in pool files: text, file, place, and origin."""
    for name, source in _pools(chosen, task).items():
        of_file, height = places.filter(pl.col("file") == name), 0
        numbers = of_file["place"].unique().sort().to_numpy()
        for batch in readers.read(source):
            inside = numbers[slice(*np.searchsorted(numbers, (height, height + batch.height)))]
            yield batch[inside - height].select("text", "origin", pl.Series("place", inside), file=pl.lit(name))
            height += batch.height
        outside = of_file.filter((pl.col("place") < 0) | (pl.col("place") >= height))
        if outside.height:
            what = f"place {outside['place'][0]} is outside the {height} rows of {source.path}"
            raise BadInput(outside["origin"][0], what, "Give the pool file of these row numbers")


def _texts(chosen: Imported) -> Iterator[pl.DataFrame]:
    """Yield batches of rows given as text: text, score, origin."""
    for batch in readers.read(_as_source(chosen)):
        label = batch["label"].alias(chosen.score or "").str.strip_chars()
        score = _numbers(label, batch["origin"]) if chosen.score else _unscored(batch)
        yield batch.select("text", "origin", score=score)


def _as_source(chosen: Imported) -> Source:
    """Return the file as a source; its label column is the score."""
    return Source(**chosen.model_dump(include=set(Rows.model_fields), exclude_unset=True), label=chosen.score)


def _ids(chosen: Imported) -> pl.DataFrame:
    """Return id, score and origin from a table with a column of ids."""
    assert chosen.id is not None
    parts = [pl.DataFrame(schema=_IDS)]
    for table, origins in _tables(chosen):
        ids = _column(chosen, table, chosen.id)
        _require(ids.is_not_null() & (ids.dtype == pl.String), ids, origins, "no id")
        parts.append(pl.DataFrame([ids.alias("id"), _scores(chosen, table, origins), origins]))
    return pl.concat(parts)


def _places(chosen: Imported) -> pl.DataFrame:
    """Return file name, row number, score and origin from an index array, or from a table with a column of numbers."""
    if chosen.is_array:
        return _array(chosen.place)
    assert chosen.index is not None
    parts = [pl.DataFrame(schema=_PLACES)]
    for table, origins in _tables(chosen):
        given = _column(chosen, table, chosen.index)
        places = _numbers(given, origins)
        _require(places.is_finite() & (places == places.floor()), given, origins, "no whole number")
        place = places.cast(pl.Int64).alias("place")
        parts.append(pl.DataFrame([_files(chosen, table, origins), place, _scores(chosen, table, origins), origins]))
    rows = pl.concat(parts)
    names = rows["file"].unique().sort()
    if not chosen.pools and len(names) > 1:
        raise BadInput(chosen.path, f"numbers rows of several files, each from 0: {', '.join(names.head(5))}", _SEVERAL)
    return rows if chosen.pools else rows.with_columns(file=pl.lit(_ONLY))


def _files(chosen: Imported, table: pl.DataFrame, origins: pl.Series) -> pl.Series:
    """Return the file name of each row number, from the task's column or from a usual one."""
    column = chosen.file_name or next((name for name in _FILE_NAMES if name in table.columns), None)
    if column is None:
        return pl.repeat(_ONLY, table.height, eager=True).alias("file")
    names = _column(chosen, table, column).cast(pl.String)
    if chosen.pools:
        _require(names.is_in(list(chosen.pools)), names, origins, "no name in `imported.pools`")
    return names.fill_null(_ONLY).alias("file")


def _array(path: str) -> pl.DataFrame:
    try:
        places = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise BadInput(path, f"cannot be read ({error})", "Write one integer per row with `np.save`") from None
    if places.ndim != 1 or not np.issubdtype(places.dtype, np.integer):
        raise BadInput(path, f"holds {places.dtype} of shape {places.shape}", "Write one integer per row")
    rows = pl.DataFrame({"place": places.astype(np.int64)}).with_row_index("row", 1)
    origin = pl.format("{}:{}", pl.lit(path), "row")
    return rows.select(pl.lit(_ONLY).alias("file"), "place", _unscored(rows), origin.alias("origin"))


def _tables(chosen: Imported) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Yield batches of a table without text, and the origins of its rows."""
    for table, origins in readers.read_whole(_as_source(chosen)):
        yield table.rename(str.strip), origins  # LESS writes a space after each comma


def _column(chosen: Imported, table: pl.DataFrame, name: str) -> pl.Series:
    if name not in table.columns:
        raise BadInput(chosen.path, f"no column `{name}`", f"Its columns are: {', '.join(table.columns)}")
    return table[name].str.strip_chars() if table[name].dtype == pl.String else table[name]


def _scores(chosen: Imported, table: pl.DataFrame, origins: pl.Series) -> pl.Series:
    if chosen.score is None:
        return _unscored(table)
    return _numbers(_column(chosen, table, chosen.score), origins).alias("score")


def _unscored(rows: pl.DataFrame) -> pl.Series:
    return pl.Series("score", [None] * rows.height, dtype=pl.Float64)


def _numbers(column: pl.Series, origins: pl.Series) -> pl.Series:
    """Return a column as float64; columns of CSV files are text."""
    plain = column.dtype.is_numeric() or column.dtype == pl.String
    numbers = column.cast(pl.Float64, strict=False) if plain else _unscored(column.to_frame())
    _require(numbers.is_not_null() & numbers.is_not_nan(), column, origins, "no number")
    return numbers


def _require_some(chosen: Imported, rows: int) -> None:
    if not rows:
        raise BadInput(chosen.path, "chooses no row", _FIX)


def _require(good: pl.Series, column: pl.Series, origins: pl.Series, what: str) -> None:
    """Refuse a column at its first row that is not good."""
    if not good.all(ignore_nulls=False):
        row = int(np.argmin(good.fill_null(False)))
        raise BadInput(origins[row], f"`{column.name}` is {column[row]!r:.80}, which is {what}", "Mend the row")
