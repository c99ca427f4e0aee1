"""One reader a file format: yields (number of the first row, frame) with the columns asked for, or (None) with all.

Belongs here: bytes to frames, with the place of a row that cannot be decoded. Does not: which format a source has, or
what its columns mean (`readers.py`). Row numbers count from 1; where rows and lines differ, a `#row` column holds them.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import zstandard

from getmore_assets.config import Source
from getmore_assets.errors import BadInput

Batches = Iterator[tuple[int, pl.DataFrame]]
Columns = list[str] | None

KINDS = "parquet, jsonl, csv, tsv, text, delta, dataset"
_BATCH = 8192
_SUFFIXES = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
    ".md": "text",
    ".rst": "text",
    ".text": "text",
}
_LONGEST_FIELD = 64 * 2**20


def _open_zstd(path: Path, mode: str) -> BinaryIO:
    return io.BufferedReader(zstandard.open(path, mode))  # type: ignore[return-value]


_OPEN: dict[str, Any] = {".gz": gzip.open, ".zst": _open_zstd}


def kind_of(path: Path) -> str | None:
    """The format a file's name tells, or None."""
    suffixes = [s for s in path.suffixes if s not in _OPEN]
    return _SUFFIXES.get(suffixes[-1].lower()) if suffixes else None


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder was written by `datasets.save_to_disk`."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def _lines(path: Path, source: Source) -> Iterator[tuple[int, str]]:
    """Numbered lines of a UTF-8 file, plain, gz or zst."""
    with _OPEN.get(path.suffix, Path.open)(path, "rb") as stream:
        for number, line in enumerate(_whole_lines(stream, path), 1):
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                if source.bad_rows == "error":
                    what = f"not valid UTF-8 (byte {error.start} of the line)"
                    raise BadInput(f"{path}:{number}", what, "Convert the file, or set `bad_rows: skip`") from None


def _whole_lines(stream: Any, path: Path) -> Iterator[bytes]:
    try:
        yield from stream
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        raise BadInput(str(path), f"cannot be read to its end ({error})", "Copy or compress the file again") from None


def _frames(rows: Iterator[tuple[int, dict[str, Any]]], columns: Columns) -> Batches:
    """Frames of numbered rows; columns that no row of a frame has are left out of it."""
    batch: list[dict[str, Any]] = []
    for number, row in rows:
        batch.append({"#row": number, **row})
        if len(batch) == _BATCH:
            yield batch[0]["#row"], _frame(batch, columns)
            batch = []
    if batch:
        yield batch[0]["#row"], _frame(batch, columns)


def _frame(batch: list[dict[str, Any]], columns: Columns) -> pl.DataFrame:
    every = columns if columns is not None else sorted({c for row in batch for c in row} - {"#row"})
    present = [c for c in every if any(c in row for row in batch)]
    if len(present) < len(every):  # show the reader of the error what there is
        present = sorted({c for row in batch[:20] for c in row} - {"#row"})
    return pl.DataFrame({c: [row.get(c) for row in batch] for c in ["#row", *present]}, strict=False)


def _parquet(path: Path, columns: Columns, _source: Source) -> Batches:
    try:
        frame = pl.scan_parquet(path)
        present = frame.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(str(path), f"not a readable Parquet file ({error})", "Write it again") from None
    yield from _scan(frame, columns if columns is not None and set(columns) <= set(present) else present)


def _delta(path: Path, columns: Columns, source: Source) -> Batches:
    frame = pl.scan_delta(str(path), version=source.version)
    present = frame.collect_schema().names()
    yield from _scan(frame, columns if columns is not None and set(columns) <= set(present) else present)


def _scan(frame: pl.LazyFrame, columns: list[str]) -> Batches:
    start = 1
    for batch in frame.select(list(dict.fromkeys(columns))).collect_batches(chunk_size=_BATCH, maintain_order=True):
        yield start, batch
        start += batch.height


def _jsonl(path: Path, columns: Columns, source: Source) -> Batches:
    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in _lines(path, source):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("not an object")
                json.dumps(row, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text
            except ValueError as error:
                if source.bad_rows == "skip":
                    continue
                raise BadInput(f"{path}:{number}", f"not a JSON object ({error})", "Write one object a line") from None
            yield number, row

    yield from _frames(rows(), columns)


def _delimited(delimiter: str) -> Callable[[Path, Columns, Source], Batches]:
    def read(path: Path, columns: Columns, source: Source) -> Batches:
        csv.field_size_limit(_LONGEST_FIELD)

        def rows() -> Iterator[tuple[int, dict[str, Any]]]:
            reader = csv.DictReader((line for _, line in _lines(path, source)), delimiter=delimiter, strict=True)
            try:
                for row in reader:
                    if None in row and source.bad_rows == "error":
                        what = f"more fields than the header's {len(reader.fieldnames or [])}"
                        raise BadInput(f"{path}:{reader.line_num}", what, "Quote the delimiter, or mend the row")
                    yield reader.line_num, {k: v for k, v in row.items() if k is not None}
            except csv.Error as error:
                raise BadInput(f"{path}:{reader.line_num}", str(error), "Mend the quoting of this row") from None

        yield from _frames(rows(), columns)

    return read


def _text(path: Path, _columns: Columns, source: Source) -> Batches:
    text = "".join(line for _, line in _lines(path, source))
    yield 1, pl.DataFrame({"text": [text]})


def _dataset(path: Path, _columns: Columns, source: Source) -> Batches:
    datasets = datasets_package(str(path))
    loaded = datasets.load_from_disk(str(path))
    if isinstance(loaded, datasets.DatasetDict):
        if source.split not in loaded:
            raise BadInput(str(path), f"no split `{source.split}`", f"Its splits are: {', '.join(loaded)}")
        loaded = loaded[source.split]
    yield from _dataset_frames(loaded)


def datasets_package(where: str) -> Any:
    """The package `datasets`.

    Raises:
        BadInput: It is not installed; `where` says what needs it.
    """
    try:
        import datasets
    except ImportError:
        fix = "Install the extra: pip install 'getmore-assets[datasets]'"
        raise BadInput(where, "needs the `datasets` package, which is not installed", fix) from None
    return datasets


def hub_revision(name: str) -> str:
    """The commit of a data set on the hub.

    Raises:
        BadInput: The hub cannot be reached, or has no such data set.
    """
    from huggingface_hub import HfApi

    try:
        return str(HfApi().dataset_info(name).sha)
    except (OSError, ValueError) as error:
        what = f"cannot be looked up ({str(error).splitlines()[0][:120]})"
        raise BadInput(f"hf://{name}", what, "Check name and network") from None


def hub_dataset(name: str, config: str | None, split: str, columns: list[str]) -> Batches:
    """Rows of a data set on the Hugging Face hub, streamed.

    Raises:
        BadInput: It cannot be reached, or has no such split.
    """
    datasets = datasets_package(f"hf://{name}")
    try:
        loaded = datasets.load_dataset(name, config, split=split, streaming=True)
    except (OSError, ValueError) as error:
        what = f"cannot be loaded ({error})"
        raise BadInput(f"hf://{name}", what, "Check name, config, split and network") from None
    yield from _frames(((n, dict(row)) for n, row in enumerate(loaded, 1)), columns)


def _dataset_frames(loaded: Any) -> Batches:
    start = 1
    for table in loaded.with_format("arrow").iter(batch_size=_BATCH):
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        yield start, frame
        start += frame.height


READERS: dict[str, Callable[[Path, Columns, Source], Batches]] = {
    "parquet": _parquet,
    "delta": _delta,
    "jsonl": _jsonl,
    "csv": _delimited(","),
    "tsv": _delimited("\t"),
    "text": _text,
    "dataset": _dataset,
}
