"""Reading a source of the task file as batches of rows.

Belongs here: the reader of a path, sampling, data versions. Does not: file formats (`formats.py`), or validating fields
(`fields.py`).
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
from getmore_assets.corpus.identity import content_id, file_hash, fingerprint, sampling_number
from getmore_assets.corpus.library_errors import translated
from getmore_assets.corpus.reading import Reading, Row
from getmore_assets.delta_versions import Seen, delta_data_version
from getmore_assets.errors import BadInput
from getmore_assets.remote_files import local, named, naming

BATCH_ROWS = 8192
_RESERVED = ("#row", "#size", LINE, *(payloads.PREFIX + name for name in payloads.SCHEMA))
_POINTER, _LONGEST_POINTER = b"version https://git-lfs.github.com/spec/", 1024
_Frame = tuple[str, int, pl.DataFrame]  # file, number of the first row, rows


def read(source: Source, only: set[str] | None = None, reading: Reading | None = None) -> Iterator[pl.DataFrame]:
    """Yield batches of a source's rows: text, source, domain, label, origin (`file:row`), and vector if given.

    Args:
        source: The source.
        only: Read only these files; None for all.
        reading: Counts files and rows.

    Raises:
        BadInput: A file or a column cannot be used, or a row is invalid and `bad_rows` is `error`.
    """
    reading = reading or Reading(source)
    if source.sample is None:
        yield from _read_all(reading, only)
        return
    # Sample the texts with the smallest hashes, so that order of rows and size of batches do not matter.
    smallest = np.empty(0)
    for batch in _read_all(Reading(source)):
        smallest = np.unique(np.concatenate([smallest, _sampling_numbers(batch)]))[: source.sample]
    yielded = np.empty(0)
    for batch in _read_all(reading):
        numbers = pl.Series(_sampling_numbers(batch))
        sampled = numbers.is_in(smallest.tolist())
        first = sampled & numbers.is_first_distinct() & ~numbers.is_in(yielded.tolist())  # the first of equal texts
        yielded = np.concatenate([yielded, numbers.filter(first).to_numpy()])
        reading.folded += len(numbers.filter(sampled & ~first))
        reading.sampled = len(yielded)
        yield batch.filter(first)


def read_whole(source: Source) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Yield batches of a source's rows with all columns, and each row's origin (`file:row`); no text column is needed.

    Raises:
        BadInput: A file or a row cannot be read.
    """
    for file, start, batch in _frames(Reading(source), None):
        yield batch.drop("#row", strict=False), origins(file, start, batch)


def _sampling_numbers(batch: pl.DataFrame) -> np.ndarray:
    return np.array([sampling_number(content_id(text), "sample") for text in batch["text"]], np.float64)


def data_version(source: Source, seen: Seen | None = None) -> str:
    """Return a hash that changes if and only if the source's data may have changed.

    `seen` is a sensor's memory of Delta tables (`delta_versions.delta_data_version`).
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
    """Return the data version of a file of any format.

    Raises:
        BadInput: There is no such file.
    """
    if not (file := local(path)).is_file():
        raise BadInput(path, "no such file", CORRECT_IT)
    return _version_of([file])


def _version_of(paths: list[Path]) -> str:
    return fingerprint([(p.name, _hash(p, p.stat().st_size, p.stat().st_mtime_ns)) for p in paths])


def files(source: Source) -> dict[str, str] | None:
    """Return a source's files with their hashes; None for a source that is not read file by file."""
    if source.sample is not None or source.path == PYTHON_DOCS or source.path.startswith(HUB_PREFIX):
        return None
    kind, paths, _ = resolve(source)
    if kind in ("delta", "dataset"):
        return None
    return {str(p): _hash(p, p.stat().st_size, p.stat().st_mtime_ns) for p in paths}


def new_files(now: list[dict[str, str] | None], before: list[dict[str, str] | None]) -> list[set[str]] | None:
    """Return the new files of each source; None if an earlier file changed or is gone, or a source has no files."""
    new = []
    for files_now, files_before in zip(now, before, strict=True):
        if files_now is None or files_before is None or not files_before.items() <= files_now.items():
            return None
        new.append(set(files_now) - set(files_before))
    return new


@lru_cache(maxsize=100_000)
def _hash(path: Path, _size: int, _changed_ns: int) -> str:
    """Return the hash of a file, cached by size and time, because sensors need it every 30 seconds."""
    return file_hash(path)


def paths(source: Source) -> list[Path]:
    """Return a source's files or table folders on this machine.

    Raises:
        BadInput: There are no files, or their format is not clear.
    """
    return [] if source.path == PYTHON_DOCS or source.path.startswith(HUB_PREFIX) else resolve(source).paths


def format_of(source: Source) -> str | None:
    """Return the format of a source's files; None for a source without files on this machine."""
    return None if source.path == PYTHON_DOCS or source.path.startswith(HUB_PREFIX) else resolve(source).format


def is_delta(source: Source) -> bool:
    """Return whether a source is a Delta table."""
    return format_of(source) == "delta"


def same_but_version(source: Source | None) -> Row | None:
    """Return the fields of a source without `version` and the folder of the task file, for cache keys."""
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
    if reserved := next((name for name in columns or () if name in _RESERVED), None):
        raise BadInput(source.path, f"column `{reserved}` has a reserved name", "Rename it in the file")
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
    """Refuse a Git LFS pointer, which would be read as text.

    Raises:
        BadInput: The file is a pointer.
    """
    if path.is_file() and path.stat().st_size <= _LONGEST_POINTER and path.read_bytes().startswith(_POINTER):
        what = "is a Git LFS pointer; the file itself was not fetched"
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
