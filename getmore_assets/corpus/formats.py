"""One reader a file format: yields (number of the first row, frame) with the columns asked for, or (None) with all.

Belongs here: bytes to frames, with the place of a row that cannot be decoded. Does not: which format a source has, or
what its columns mean (`readers.py`). Row numbers count from 1; where rows and lines differ, a `#row` column holds them.
"""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from getmore_assets.config import HUB_PREFIX, Source
from getmore_assets.corpus.lines import CUT_IT, LONGEST_ROW, OPENERS, TOO_LONG, lines
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


def kind_of(path: Path) -> str | None:
    """The format a file's name tells, or None."""
    suffixes = [s for s in path.suffixes if s not in OPENERS]
    return _SUFFIXES.get(suffixes[-1].lower()) if suffixes else None


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder was written by `datasets.save_to_disk`."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def _frames(rows: Iterator[tuple[int, dict[str, Any], int]], columns: Columns) -> Batches:
    """Frames of numbered rows with their sizes; columns that no row of a frame has are left out of it."""
    batch: list[dict[str, Any]] = []
    held = 0
    for number, row, size in rows:
        batch.append({**row, "#row": number})
        held += size
        if len(batch) == _BATCH or held > LONGEST_ROW:
            yield batch[0]["#row"], _frame(batch, columns)
            batch, held = [], 0
    if batch:
        yield batch[0]["#row"], _frame(batch, columns)


def _frame(batch: list[dict[str, Any]], columns: Columns) -> pl.DataFrame:
    every = columns if columns is not None else sorted({c for row in batch for c in row} - {"#row"})
    present = [c for c in every if any(c in row for row in batch)]
    if len(present) < len(every):  # show the reader of the error what there is
        present = sorted({c for row in batch[:20] for c in row} - {"#row"})
    return pl.DataFrame({c: [row.get(c) for row in batch] for c in ["#row", *present]}, strict=False)


def _parquet(path: Path, columns: Columns, source: Source) -> Batches:
    try:
        frame = pl.scan_parquet(path)
        present = frame.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(str(path), f"not a readable Parquet file ({error})", "Write it again") from None
    wanted = columns if columns is not None and set(columns) <= set(present) else present
    yield from _bounded(_scan(frame, wanted), str(path), source)


def _delta(path: Path, columns: Columns, source: Source) -> Batches:
    frame = pl.scan_delta(str(path), version=source.version)
    present = frame.collect_schema().names()
    wanted = columns if columns is not None and set(columns) <= set(present) else present
    try:
        yield from _bounded(_scan(frame, wanted), str(path), source)
    except OSError as error:
        raise BadInput(str(path), f"names a file that cannot be read ({error})", "Write the table again") from None


def _scan(frame: pl.LazyFrame, columns: list[str]) -> Batches:
    start = 1
    for batch in frame.select(list(dict.fromkeys(columns))).collect_batches(chunk_size=_BATCH, maintain_order=True):
        yield start, batch
        start += batch.height


def _bounded(batches: Batches, where: str, source: Source) -> Batches:
    """The same rows in pieces of bounded size: a small file may hold one long text in a million rows.

    Raises:
        BadInput: A row is too long; `bad_rows: skip` leaves it out.
    """
    for start, batch in batches:
        texts = [name for name, kind in batch.schema.items() if kind == pl.String]
        lengths = (pl.col(name).str.len_bytes().cast(pl.Int64).fill_null(0) for name in texts)
        sizes = batch.select(size=pl.sum_horizontal(pl.lit(0, pl.Int64), *lengths))["size"]
        if sizes.sum() <= LONGEST_ROW:
            yield start, batch
            continue
        too_long = (sizes > LONGEST_ROW).arg_true()
        if len(too_long) and source.bad_rows == "error":
            raise BadInput(f"{where}:{start + too_long[0]}", TOO_LONG, CUT_IT)
        numbered = batch.with_columns(pl.int_range(start, start + batch.height).alias("#row"), sizes.alias("#size"))
        kept = numbered.filter(pl.col("#size") <= LONGEST_ROW)
        parts = kept.with_columns(pl.col("#size").cum_sum() // LONGEST_ROW)
        for part in parts.partition_by("#size", maintain_order=True, include_key=False):
            yield part["#row"][0], part


def _jsonl(path: Path, columns: Columns, source: Source) -> Batches:
    def rows() -> Iterator[tuple[int, dict[str, Any], int]]:
        for number, line in lines(path, source):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("not an object")
                json.dumps(row, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text
            except (ValueError, RecursionError) as error:
                if source.bad_rows == "skip":
                    continue
                raise BadInput(f"{path}:{number}", f"not a JSON object ({error})", "Write one object a line") from None
            yield number, row, len(line)

    yield from _frames(rows(), columns)


def _delimited(delimiter: str) -> Callable[[Path, Columns, Source], Batches]:
    def read(path: Path, columns: Columns, source: Source) -> Batches:
        csv.field_size_limit(LONGEST_ROW)
        taken = 0  # characters since the last row ended

        def counted() -> Iterator[str]:
            nonlocal taken
            for number, line in lines(path, source):
                taken += len(line)
                if taken > LONGEST_ROW:
                    raise BadInput(f"{path}:{number}", f"a row {TOO_LONG}", "Look for a quote that is not closed")
                yield line

        def rows() -> Iterator[tuple[int, dict[str, Any], int]]:
            nonlocal taken
            reader = csv.DictReader(counted(), delimiter=delimiter, strict=True)
            try:
                for row in reader:
                    if None in row and source.bad_rows == "error":
                        what = f"more fields than the header's {len(reader.fieldnames or [])}"
                        raise BadInput(f"{path}:{reader.line_num}", what, "Quote the delimiter, or mend the row")
                    yield reader.line_num, {k: v for k, v in row.items() if k is not None}, taken
                    taken = 0
            except csv.Error as error:
                raise BadInput(f"{path}:{reader.line_num}", str(error), "Mend the quoting of this row") from None

        yield from _frames(rows(), columns)

    return read


def _text(path: Path, _columns: Columns, source: Source) -> Batches:
    """A row a file; of one that is too long for a row, a row for each part of it."""
    part: list[str] = []
    start, held = 1, 0
    for number, line in lines(path, source):
        if held + len(line) > LONGEST_ROW:
            yield start, pl.DataFrame({"text": ["".join(part)]})
            part, start, held = [], number, 0
        part.append(line)
        held += len(line)
    yield start, pl.DataFrame({"text": ["".join(part)]})


def _dataset(path: Path, _columns: Columns, source: Source) -> Batches:
    datasets = datasets_package(str(path))
    loaded = datasets.load_from_disk(str(path))
    if isinstance(loaded, datasets.DatasetDict):
        if source.split not in loaded:
            raise BadInput(str(path), f"no split `{source.split}`", f"Its splits are: {', '.join(loaded)}")
        loaded = loaded[source.split]
    yield from _bounded(_dataset_frames(loaded), str(path), source)


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


def hub_dataset(source: Source, columns: Columns) -> Batches:
    """Rows of a data set on the Hugging Face hub, streamed.

    Raises:
        BadInput: It cannot be reached, or has no such split; a row is too long.
    """
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    datasets, name = datasets_package(source.path), source.path.removeprefix(HUB_PREFIX)
    try:
        validate_repo_id(name)  # or `load_dataset` would read a folder of this machine
        loaded = datasets.load_dataset(name, source.config, split=source.split, streaming=True)
    except (OSError, ValueError) as error:
        what = f"cannot be loaded ({error})"
        raise BadInput(source.path, what, "Check name, config, split and network") from None
    rows = ((number, dict(row), _size(row)) for number, row in enumerate(loaded, 1))
    yield from _bounded(_frames(rows, columns), source.path, source)


def _size(row: dict[str, Any]) -> int:
    return sum(len(value) for value in row.values() if isinstance(value, str | bytes))


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
