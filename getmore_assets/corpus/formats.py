"""One reader per file format: each yields the number of a batch's first row and the batch as a frame.

Belongs here: reading files into frames, with the row number of a decoding error. Does not: the format of a source
(`readers.py`), or the meaning of columns (`meanings.py`).

A reader returns the requested columns, or all columns if `columns` is None. Rows are numbered from 1; if row numbers
are line numbers, the column `#row` has each row's number. A column of JSON with values of several types is a column of
Python objects (`pl.Object`), so that no value is cast.
"""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from getmore_assets.corpus import arrow_rows, hugging_face, json_lines, payloads
from getmore_assets.corpus.delimited import delimited
from getmore_assets.corpus.frames import BATCH, Batches, Columns, bounded, of_tables, with_payloads
from getmore_assets.corpus.library_errors import translated
from getmore_assets.corpus.lines import LONGEST_ROW, OPENERS, lines
from getmore_assets.corpus.parquet_damage import placed
from getmore_assets.corpus.reading import Reading
from getmore_assets.lake import file_sizes

KINDS = "parquet, jsonl, csv, tsv, text, delta, dataset"
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
    ".tex": "text",
}


def kind_of(path: Path) -> str | None:
    """Return the format by a file's name, or None."""
    suffixes = [s for s in path.suffixes if s not in OPENERS]
    return _SUFFIXES.get(suffixes[-1].lower()) if suffixes else None


def plain_name(path: Path) -> str:
    """Return the name of a file without the suffixes of format and compression."""
    name = path.name
    for suffixes in (tuple(OPENERS), tuple(_SUFFIXES)):
        if suffix := next((s for s in suffixes if name.lower().endswith(s) and len(name) > len(s)), None):
            name = name[: -len(suffix)]
    return name


def is_saved_dataset(path: Path) -> bool:
    """Return whether a folder was written by `datasets.save_to_disk`."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def _parquet(path: Path, columns: Columns, reading: Reading) -> Batches:
    if reading.source.whole_rows:
        tables = placed(arrow_rows.of_parquet(path), lambda: [path], str(path))
        yield from of_tables(tables, str(path), columns, reading)
        return
    try:
        frame = pl.scan_parquet(path, glob=False)  # a name may have brackets
        present = frame.collect_schema().names()
    except Exception as error:
        with translated(str(path), "not a readable Parquet file"):
            arrow_rows.require_unique_columns(path)
            raise error from None
    selected = columns if columns is not None and set(columns) <= set(present) else present
    yield from bounded(placed(_scan(frame, selected), lambda: [path], str(path)), str(path), reading)


def _delta(path: Path, columns: Columns, reading: Reading) -> Batches:
    if reading.source.whole_rows:
        yield from of_tables(arrow_rows.of_delta(path, reading.source.version), str(path), columns, reading)
        return
    with translated(str(path), "not a readable Delta table"):
        frame = pl.scan_delta(str(path), version=reading.source.version)
        present = frame.collect_schema().names()
    selected = columns if columns is not None and set(columns) <= set(present) else present

    def files() -> list[Path]:
        return [path / name for name in file_sizes(DeltaTable(path, version=reading.source.version))]

    rows = placed(_scan(frame, selected), files, str(path), "names a file that cannot be read")
    yield from bounded(rows, str(path), reading)


def _scan(frame: pl.LazyFrame, columns: list[str]) -> Batches:
    start = 1
    for batch in frame.select(list(dict.fromkeys(columns))).collect_batches(chunk_size=BATCH, maintain_order=True):
        yield start, batch
        start += batch.height


def _text(path: Path, _columns: Columns, reading: Reading) -> Batches:
    """Read a file as one row, or as several rows if it is too long; a row with a bad line is bad."""

    def frame() -> pl.DataFrame:
        row = {"text": "".join(part)}
        if reading.source.whole_rows:
            return with_payloads(pl.DataFrame(row), payloads.of_lines([json.dumps(row, ensure_ascii=False)]))
        return pl.DataFrame(row)

    part: list[str] = []
    start, size, bad = 1, 0, False
    for line in lines(path):
        if size + len(line.text) > LONGEST_ROW:
            if not bad:
                yield start, frame()
            part, start, size, bad = [], line.number, 0, False
        if line.wrong and not bad:
            line.report(path, reading)
            bad = True
        part.append(line.text)
        size += len(line.text)
    if not bad:
        yield start, frame()


READERS: dict[str, Callable[[Path, Columns, Reading], Batches]] = {
    "parquet": _parquet,
    "delta": _delta,
    "jsonl": json_lines.read,
    "csv": delimited(","),
    "tsv": delimited("\t"),
    "text": _text,
    "dataset": hugging_face.read_saved,
}
