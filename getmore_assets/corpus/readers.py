"""From a source in the task file to batches of rows, every bad row named.

Belongs here: which reader a path needs, the fields taken, the checks on single rows. Does not: file formats
(`formats.py`), or what becomes of a row.
"""

import heapq
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.config import HUB_PREFIX, PYTHON_DOCS, Source
from getmore_assets.corpus import formats, python_docs
from getmore_assets.corpus.identity import content_id, draw, file_hash, fingerprint
from getmore_assets.corpus.passages import PAIR
from getmore_assets.errors import BadInput
from getmore_assets.lake import Seen, delta_data_version, unreadable_in

BATCH_ROWS = 8192
_Frame = tuple[str, int, pl.DataFrame]  # of a file, from one of its rows on
_CORRECT_IT = "Correct the path; it is relative to where you run"
_NO_TEXT = r"[\s\x00-\x1f\x7f-\x9f\u{feff}]"
SCHEMA = {"text": pl.String, "source": pl.String, "domain": pl.String, "label": pl.String, "origin": pl.String}


def read(source: Source, only: set[str] | None = None) -> Iterator[pl.DataFrame]:
    """Yield batches of a source's rows: text, source, domain, label, origin (`file:row`), and vector where asked for.

    Args:
        source: What to read.
        only: Of its files, these; all without it.

    Raises:
        BadInput: A file, a column or a row cannot be used; with `bad_rows: skip` bad rows are left out instead.
    """
    if source.sample is None:
        yield from _read_all(source, only)
        return
    # The rows with the smallest hash: the same sample whatever the order of the rows or the size of the batches.
    draws = (d for batch in _read_all(source) for d in _draws(batch))
    smallest = heapq.nsmallest(source.sample, draws)
    limit = smallest[-1] if smallest else 0.0
    for batch in _read_all(source):
        yield batch.filter(pl.Series(_draws(batch)) <= limit) if batch.height else batch


def read_whole(source: Source) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Yield batches of all that a source's rows hold, which need be no text, with the origin (`file:row`) of each row.

    Raises:
        BadInput: A file or a row cannot be read.
    """
    for file, start, batch in _frames(source, None):
        yield batch.drop("#row", strict=False), _origins(file, start, batch)


def _draws(batch: pl.DataFrame) -> list[float]:
    return [draw(content_id(text), "sample") for text in batch["text"]]


def data_version(source: Source, seen: Seen | None = None) -> str:
    """A hash that changes when, and only when, what the source holds may have changed.

    `seen` is what a watcher remembers of Delta tables (`lake.delta_data_version`).
    """
    if source.path == PYTHON_DOCS:
        return fingerprint(python_docs.distributions(source.include, source.exclude))
    if source.path.startswith(HUB_PREFIX):
        return fingerprint(formats.hub_revision(source.path.removeprefix(HUB_PREFIX)), source.config, source.split)
    kind, paths = resolve(source)
    if kind == "delta":
        return delta_data_version(str(paths[0]), source.version, seen)
    if kind == "dataset":
        paths = sorted(p for p in paths[0].rglob("*") if p.is_file())
    return _version_of(paths)


def file_version(path: str) -> str:
    """The data version of one file, of whatever format.

    Raises:
        BadInput: There is no such file.
    """
    if not Path(path).is_file():
        raise BadInput(path, "no such file", _CORRECT_IT)
    return _version_of([Path(path)])


def _version_of(paths: list[Path]) -> str:
    return fingerprint([(p.name, _hash(p, p.stat().st_size, p.stat().st_mtime_ns)) for p in paths])


def files(source: Source) -> dict[str, str] | None:
    """The files that a source's rows are read from, one after the other, with their hashes; None where it has none."""
    if source.sample is not None or source.path == PYTHON_DOCS or source.path.startswith(HUB_PREFIX):
        return None
    kind, paths = resolve(source)
    if kind in ("delta", "dataset"):
        return None
    return {str(p): _hash(p, p.stat().st_size, p.stat().st_mtime_ns) for p in paths}


def new_files(now: list[dict[str, str] | None], before: list[dict[str, str] | None]) -> list[set[str]] | None:
    """Of each source, the files that came; None where files that came are not all that changed."""
    came = []
    for files_now, files_then in zip(now, before, strict=True):
        if files_now is None or files_then is None or not files_then.items() <= files_now.items():
            return None
        came.append(set(files_now) - set(files_then))
    return came


@lru_cache(maxsize=100_000)
def _hash(path: Path, _size: int, _changed_ns: int) -> str:
    """A watcher looks again and again: a file is read anew only when its size or time has changed."""
    return file_hash(path)


def paths(source: Source) -> list[Path]:
    """Where a source's rows lie, one after the other; nothing where that is no place on this machine.

    Raises:
        BadInput: Nothing lies there, or the format cannot be told.
    """
    return [] if source.path == PYTHON_DOCS or source.path.startswith(HUB_PREFIX) else resolve(source)[1]


def is_delta(source: Source) -> bool:
    """Whether a source is a Delta table."""
    return source.path != PYTHON_DOCS and not source.path.startswith(HUB_PREFIX) and resolve(source)[0] == "delta"


def same_but_version(source: Source | None) -> dict[str, Any] | None:
    """The fields that say what a source is, whatever version of it is read."""
    return None if source is None else source.model_dump(exclude={"version"})


def resolve(source: Source) -> tuple[str, list[Path]]:
    """The format of a source and its files, in order of name.

    Raises:
        BadInput: Nothing lies there, or the format cannot be told.
    """
    path = Path(source.path)
    if path.is_dir() and source.format in ("auto", "delta") and (path / "_delta_log").is_dir():
        if odd := unreadable_in(path):
            what = f"has `{odd}` in its path, under which Delta tables cannot be read"
            raise BadInput(source.path, what, "Move it under a path of plain letters, digits and - _ . /")
        return "delta", [path]
    if path.is_dir() and source.format in ("auto", "dataset") and formats.is_saved_dataset(path):
        return "dataset", [path]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith((".", "_")))
    elif path.is_file():
        files = [path]
    else:
        files = sorted(p for p in Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))) if p.is_file())
    if not files:
        raise BadInput(source.path, "no such file, folder or glob", _CORRECT_IT)
    kinds = {formats.kind_of(p) for p in files} if source.format == "auto" else {source.format}
    if len(kinds) != 1 or None in kinds:
        names = ", ".join(sorted({p.suffix or p.name for p in files}))
        raise BadInput(source.path, f"cannot tell the format of {names}", f"Set `format` to one of {formats.KINDS}")
    kind = kinds.pop()
    assert kind is not None
    return kind, files


def _read_all(source: Source, only: set[str] | None = None) -> Iterator[pl.DataFrame]:
    if source.path == PYTHON_DOCS:
        yield from _python_docs(source)
        return
    for file, start, batch in _frames(source, _columns(source), only):
        yield _take(source, file, start, batch)


def _frames(source: Source, columns: formats.Columns, only: set[str] | None = None) -> Iterator[_Frame]:
    if source.path.startswith(HUB_PREFIX):
        yield from ((source.path, start, batch) for start, batch in formats.hub_dataset(source, columns))
        return
    kind, paths = resolve(source)
    for path in paths:
        if only is None or str(path) in only:
            yield from ((str(path), start, batch) for start, batch in formats.READERS[kind](path, columns, source))


def _python_docs(source: Source) -> Iterator[pl.DataFrame]:
    rows: list[dict[str, Any]] = []
    for text, module, domain in python_docs.read(source.include, source.exclude):
        rows.append({"text": text, "source": module, "domain": domain, "label": None, "origin": f"{domain}:{module}"})
        if len(rows) == BATCH_ROWS:
            yield pl.DataFrame(rows, schema=SCHEMA)
            rows = []
    yield pl.DataFrame(rows, schema=SCHEMA)


def _take(source: Source, file: str, start: int, batch: pl.DataFrame) -> pl.DataFrame:
    """The fields a row needs, under their names here. `start` is the number of the batch's first row in the file."""
    for column in _columns(source):
        if column not in batch.columns:
            fields = ", ".join(c for c in batch.columns if c != "#row")
            raise BadInput(
                file, f"no column `{column}`", f"Its columns are: {fields}. Name the right one in the task file"
            )
    name = Path(file).name.split(".")[0]

    def as_text(column: str | None) -> pl.Expr:
        return pl.col(column).cast(pl.String) if column else pl.lit(name, pl.String)

    for column in source.texts:
        if batch[column].dtype not in (pl.String, pl.Null):
            raise BadInput(file, f"column `{column}` holds {batch[column].dtype}, not text", "Name the text column")
    blank = pl.any_horizontal(
        pl.col(column).cast(pl.String).str.replace_all(_NO_TEXT, "").fill_null("") == "" for column in source.texts
    )
    taken = batch.select(
        _text(source.texts).alias("text"),
        as_text(source.source).fill_null(name).alias("source"),
        as_text(source.domain).fill_null(name).alias("domain"),
        (pl.col(source.label).cast(pl.String) if source.label else pl.lit(None, pl.String)).alias("label"),
        _origins(file, start, batch),
        *([pl.col(source.vector).alias("vector")] if source.vector else []),
        blank.alias("#blank"),
    )
    blanks = taken.drop_in_place("#blank")
    unlabelled = taken["label"].is_null() if source.label else pl.repeat(False, taken.height, eager=True)
    text = " or ".join(f"`{column}`" for column in source.texts)
    for bad, what in ((blanks, f"{text} is null or blank"), (unlabelled, f"`{source.label}` is null")):
        if bad.any() and source.bad_rows == "error":
            raise BadInput(taken.filter(bad)["origin"][0], what, "Mend the row, or set `bad_rows: skip` on this source")
    return taken.filter(~(blanks | unlabelled))


def _origins(file: str, start: int, batch: pl.DataFrame) -> pl.Series:
    numbers = batch["#row"] if "#row" in batch.columns else pl.Series(np.arange(start, start + batch.height))
    return (f"{file}:" + numbers.cast(pl.Int64).cast(pl.String)).alias("origin")


def _columns(source: Source) -> list[str]:
    return [c for c in (*source.texts, source.source, source.domain, source.label, source.vector) if c]


def _text(columns: list[str]) -> pl.Expr:
    """The text of a row; that of a pair is both, with a blank line between them and in neither of them."""
    parts = [pl.col(column).cast(pl.String) for column in columns]
    if len(parts) == 1:
        return parts[0]
    return pl.concat_str([part.str.strip_chars().str.replace_all(r"\n\s*\n", "\n") for part in parts], separator=PAIR)
