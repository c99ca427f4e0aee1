"""From a source in the task file to batches of rows, every bad row named.

Belongs here: which reader a path needs, samples, versions of data. Does not: file formats (`formats.py`), fields and
the checks on them (`fields.py`), or what becomes of a row.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from getmore_assets.config import BASE, HUB_PREFIX, PYTHON_DOCS, Source
from getmore_assets.corpus import formats, hugging_face, payloads, python_docs
from getmore_assets.corpus.fields import SCHEMA, columns_of, origins, take
from getmore_assets.corpus.file_lists import CORRECT_IT, resolve
from getmore_assets.corpus.frames import LINE, Columns
from getmore_assets.corpus.identity import content_id, draw, file_hash, fingerprint
from getmore_assets.corpus.library_errors import translated
from getmore_assets.corpus.reading import Reading, Row
from getmore_assets.delta_versions import Seen, delta_data_version
from getmore_assets.errors import BadInput
from getmore_assets.places import local, named, naming

BATCH_ROWS = 8192
_OURS = ("#row", "#size", LINE, *(payloads.PREFIX + name for name in payloads.SCHEMA))
_POINTER, _LONGEST_POINTER = b"version https://git-lfs.github.com/spec/", 1024
_Frame = tuple[str, int, pl.DataFrame]  # of a file, from one of its rows on


def read(source: Source, only: set[str] | None = None, reading: Reading | None = None) -> Iterator[pl.DataFrame]:
    """Yield batches of a source's rows: text, source, domain, label, origin (`file:row`), and vector where asked for.

    Args:
        source: What to read.
        only: Of its files, these; all without it.
        reading: Told what becomes of files and rows.

    Raises:
        BadInput: A file, a column or a row cannot be used; with `bad_rows: skip` bad rows are left out instead.
    """
    reading = reading or Reading(source)
    if source.sample is None:
        yield from _read_all(reading, only)
        return
    # The texts with the smallest hash: the same sample whatever the order of the rows or the size of the batches.
    smallest = np.empty(0)
    for batch in _read_all(Reading(source)):
        smallest = np.unique(np.concatenate([smallest, _draws(batch)]))[: source.sample]
    given = np.empty(0)
    for batch in _read_all(reading):
        draws = pl.Series(_draws(batch))
        wanted = draws.is_in(smallest.tolist())
        first = wanted & draws.is_first_distinct() & ~draws.is_in(given.tolist())  # of equal texts the first
        given = np.concatenate([given, draws.filter(first).to_numpy()])
        reading.folded += len(draws.filter(wanted & ~first))
        reading.sampled = len(given)
        yield batch.filter(first)


def read_whole(source: Source) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Yield batches of all that a source's rows hold, which need be no text, with the origin (`file:row`) of each row.

    Raises:
        BadInput: A file or a row cannot be read.
    """
    for file, start, batch in _frames(Reading(source), None):
        yield batch.drop("#row", strict=False), origins(file, start, batch)


def _draws(batch: pl.DataFrame) -> np.ndarray:
    return np.array([draw(content_id(text), "sample") for text in batch["text"]], np.float64)


def data_version(source: Source, seen: Seen | None = None) -> str:
    """A hash that changes when, and only when, what the source holds may have changed.

    `seen` is what a watcher remembers of Delta tables (`lake.delta_data_version`).
    """
    if source.path == PYTHON_DOCS:
        return fingerprint(python_docs.distributions(source.include, source.exclude))
    if source.path.startswith(HUB_PREFIX):
        return fingerprint(hugging_face.hub_revision(source.path.removeprefix(HUB_PREFIX)), source.config, source.split)
    kind, paths, _ = resolve(source)
    if kind == "delta":
        with translated(str(paths[0]), "not a readable Delta table"):
            return delta_data_version(str(paths[0]), source.version, seen)
    if kind == "dataset":
        paths = sorted(p for p in paths[0].rglob("*") if p.is_file())
    return _version_of(paths)


def file_version(path: str) -> str:
    """The data version of one file, of whatever format.

    Raises:
        BadInput: There is no such file.
    """
    if not (file := local(path)).is_file():
        raise BadInput(path, "no such file", CORRECT_IT)
    return _version_of([file])


def _version_of(paths: list[Path]) -> str:
    return fingerprint([(p.name, _hash(p, p.stat().st_size, p.stat().st_mtime_ns)) for p in paths])


def files(source: Source) -> dict[str, str] | None:
    """The files that a source's rows are read from, one after the other, with their hashes; None where it has none."""
    if source.sample is not None or source.path == PYTHON_DOCS or source.path.startswith(HUB_PREFIX):
        return None
    kind, paths, _ = resolve(source)
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
    return [] if source.path == PYTHON_DOCS or source.path.startswith(HUB_PREFIX) else resolve(source).paths


def format_of(source: Source) -> str | None:
    """The format of a source's files; None where they lie in no place on this machine."""
    return None if source.path == PYTHON_DOCS or source.path.startswith(HUB_PREFIX) else resolve(source).format


def is_delta(source: Source) -> bool:
    """Whether a source is a Delta table."""
    return format_of(source) == "delta"


def same_but_version(source: Source | None) -> Row | None:
    """The fields that say what a source is, whatever version of it is read, and wherever the command is run."""
    return None if source is None else source.model_dump(exclude={"version", BASE})


def _read_all(reading: Reading, only: set[str] | None = None) -> Iterator[pl.DataFrame]:
    source = reading.source
    if source.path == PYTHON_DOCS:
        yield from _python_docs(reading)
        return
    for file, start, batch in _frames(reading, columns_of(source), only):
        taken = take(reading, file, start, batch)
        reading.rows += taken.height
        yield taken


def _frames(reading: Reading, columns: Columns, only: set[str] | None = None) -> Iterator[_Frame]:
    source = reading.source
    if source.path.startswith(HUB_PREFIX):
        reading.format = "hub"
        yield from ((source.path, start, batch) for start, batch in hugging_face.read_hub(reading, columns))
        return
    if ours := next((name for name in columns or () if name in _OURS), None):
        raise BadInput(source.path, f"column `{ours}` has a name that is used inside", "Rename it in the file")
    reading.format, paths, left_out = resolve(source)
    reading.gathered = paths != [local(source.place)]
    reading.left_out = {named(file): why for file, why in left_out.items()}
    read_file = formats.READERS[reading.format]
    for path in paths:
        if only is not None and str(path) not in only:
            reading.unchanged += 1
            continue
        reading.files += 1
        _refuse_pointer(path)
        with naming():
            yield from ((named(str(path)), start, batch) for start, batch in read_file(path, columns, reading))


def _refuse_pointer(path: Path) -> None:
    """Refuse what Git LFS leaves in the place of a file that was not fetched, which would be read as a text.

    Raises:
        BadInput: The file is such a pointer.
    """
    if path.is_file() and path.stat().st_size <= _LONGEST_POINTER and path.read_bytes().startswith(_POINTER):
        what = "is the pointer that Git LFS keeps in its place; the file itself was not fetched"
        raise BadInput(named(str(path)), what, "Run `git lfs pull` in its repository")


def _python_docs(reading: Reading) -> Iterator[pl.DataFrame]:
    source, rows = reading.source, list[Row]()
    reading.format = PYTHON_DOCS
    for text, module, domain in python_docs.read(source.include, source.exclude):
        rows.append({"text": text, "source": module, "domain": domain, "label": None, "origin": f"{domain}:{module}"})
        reading.rows += 1
        if len(rows) == BATCH_ROWS:
            yield pl.DataFrame(rows, schema=SCHEMA)
            rows = []
    yield pl.DataFrame(rows, schema=SCHEMA)
