"""One reader a file format: yields (number of the first row, frame) with the columns asked for, or (None) with all.

Belongs here: bytes to frames, with the place of a row that cannot be decoded. Does not: which format a source has
(`readers.py`), or what its columns mean (`meanings.py`). Row numbers count from 1; where rows and lines differ, a
`#row` column holds them. A column of JSON whose values are not all of one plain type is a column of Python objects
(`pl.Object`), so that no value is cast.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable

from getmore_assets.config import HUB_PREFIX
from getmore_assets.corpus import arrow_rows, payloads
from getmore_assets.corpus.delimited import delimited
from getmore_assets.corpus.frames import BATCH, LINE, Batches, Columns, bounded, of_rows, of_tables, with_payloads
from getmore_assets.corpus.library_errors import guarded, translated, worded
from getmore_assets.corpus.lines import LONGEST_ROW, OPENERS, lines
from getmore_assets.corpus.parquet_damage import placed
from getmore_assets.corpus.payloads import JSON_SPACE
from getmore_assets.corpus.reading import Reading
from getmore_assets.errors import BadInput
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
}


def kind_of(path: Path) -> str | None:
    """The format a file's name tells, or None."""
    suffixes = [s for s in path.suffixes if s not in OPENERS]
    return _SUFFIXES.get(suffixes[-1].lower()) if suffixes else None


def plain_name(path: Path) -> str:
    """The name of a file without what tells its format and compression."""
    name = path.name
    for suffixes in (tuple(OPENERS), tuple(_SUFFIXES)):
        if ending := next((one for one in suffixes if name.lower().endswith(one) and len(name) > len(one)), None):
            name = name[: -len(ending)]
    return name


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder was written by `datasets.save_to_disk`."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def _parquet(path: Path, columns: Columns, reading: Reading) -> Batches:
    if reading.source.whole_rows:
        tables = placed(arrow_rows.of_parquet(path), lambda: [path], str(path))
        yield from of_tables(tables, str(path), columns, reading)
        return
    try:
        frame = pl.scan_parquet(path, glob=False)  # a name may hold brackets
        present = frame.collect_schema().names()
    except Exception as error:
        with translated(str(path), "not a readable Parquet file"):
            arrow_rows.require_apart(path)
            raise error from None
    wanted = columns if columns is not None and set(columns) <= set(present) else present
    yield from bounded(placed(_scan(frame, wanted), lambda: [path], str(path)), str(path), reading)


def _delta(path: Path, columns: Columns, reading: Reading) -> Batches:
    if reading.source.whole_rows:
        yield from of_tables(arrow_rows.of_delta(path, reading.source.version), str(path), columns, reading)
        return
    with translated(str(path), "not a readable Delta table"):
        frame = pl.scan_delta(str(path), version=reading.source.version)
        present = frame.collect_schema().names()
    wanted = columns if columns is not None and set(columns) <= set(present) else present

    def files() -> list[Path]:
        return list(file_sizes(DeltaTable(path, version=reading.source.version)))

    rows = placed(_scan(frame, wanted), files, str(path), "names a file that cannot be read")
    yield from bounded(rows, str(path), reading)


def _scan(frame: pl.LazyFrame, columns: list[str]) -> Batches:
    start = 1
    for batch in frame.select(list(dict.fromkeys(columns))).collect_batches(chunk_size=BATCH, maintain_order=True):
        yield start, batch
        start += batch.height


def _jsonl(path: Path, columns: Columns, reading: Reading) -> Batches:
    def rows() -> Iterator[tuple[int, dict[str, Any], int]]:
        for line in lines(path):
            number, text, wrong = line
            if wrong:
                line.spoils_a_row(path, reading)
                continue
            if not text.strip():
                continue
            try:
                row = _ROW.decode(text.strip(JSON_SPACE))
                if not isinstance(row, dict):
                    raise ValueError("not an object")
                if "\\ud" in text or "\\uD" in text:  # half a surrogate pair is no text
                    json.dumps(row, ensure_ascii=False).encode("utf-8")
            except (ValueError, RecursionError) as error:
                _refuse_one_document(path, number, text)
                reading.bad(f"{path}:{number}", f"not a JSON object ({error})", "Write one object a line")
                continue
            yield number, {**row, LINE: text} if reading.source.whole_rows else row, len(text)

    yield from of_rows(rows(), columns, lambda: _keys(path))


def _keys(path: Path) -> set[str]:
    """The keys that any row has: of a large file the first rows may lack a column."""
    found = set[str]()
    for line in lines(path):
        with suppress(ValueError, RecursionError):
            row = _ROW.decode(line.text.strip(JSON_SPACE))
            found |= set(row) if isinstance(row, dict) else set()
    return found


def _refuse_one_document(path: Path, number: int, text: str) -> None:
    """Refuse a file that is one value of JSON, of which some lines alone may look like rows.

    Raises:
        BadInput: The first line of the file begins an object or a list that goes on below, or is a list of objects.
    """
    if number > 1:
        return
    begun, fix = text.strip(JSON_SPACE), "Write one object a line, as with `jq -c '.[]'`"
    try:
        value = json.loads(begun)
    except json.JSONDecodeError as error:
        if begun[0] in "[{" and error.pos >= len(begun):
            raise BadInput(str(path), "is one value of JSON over several lines, not one object a line", fix) from None
        return
    except RecursionError:
        return
    if isinstance(value, list) and value and isinstance(value[0], dict):
        raise BadInput(str(path), "is one list of JSON, not one object a line", fix)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two fields of one name, no other reader would say which counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"two fields are called `{next(name for name in names if names.count(name) > 1)}`")
    return found


_ROW = json.JSONDecoder(object_pairs_hook=_object)


def _text(path: Path, _columns: Columns, reading: Reading) -> Batches:
    """A row a file; of one that is too long for a row, a row for each part of it. A bad line spoils its row."""

    def frame() -> pl.DataFrame:
        row = {"text": "".join(part)}
        if reading.source.whole_rows:
            return with_payloads(pl.DataFrame(row), payloads.of_lines([json.dumps(row, ensure_ascii=False)]))
        return pl.DataFrame(row)

    part: list[str] = []
    start, held, spoilt = 1, 0, False
    for line in lines(path):
        if held + len(line.text) > LONGEST_ROW:
            if not spoilt:
                yield start, frame()
            part, start, held, spoilt = [], line.number, 0, False
        if line.wrong and not spoilt:
            line.spoils_a_row(path, reading)
            spoilt = True
        part.append(line.text)
        held += len(line.text)
    if not spoilt:
        yield start, frame()


def _dataset(path: Path, columns: Columns, reading: Reading) -> Batches:
    datasets, split = datasets_package(str(path)), reading.source.split
    with translated(str(path), "not a readable data set"):
        if _is_saved_without_rows(path, split):  # which the package writes, and does not read
            return
        loaded = datasets.load_from_disk(str(path))
        if isinstance(loaded, datasets.DatasetDict):
            if split not in loaded:
                raise BadInput(str(path), f"no split `{split}`", f"Its splits are: {', '.join(loaded)}")
            loaded = loaded[split]
        elif "split" in reading.source.model_fields_set and str(loaded.split) != split:
            what = f"no split `{split}`: it is one data set" + (f", `{loaded.split}`" if loaded.split else "")
            raise BadInput(str(path), what, "Take `split` out, or correct it")
        # Arrow follows a damaged offset wherever it points, out of the process's memory.
        loaded.data.validate(full=True)
    if reading.source.whole_rows:
        yield from of_tables(arrow_rows.of_dataset(loaded), str(path), columns, reading)
        return
    yield from bounded(guarded(str(path), _frames_of_dataset(loaded)), str(path), reading)


def _is_saved_without_rows(path: Path, split: str) -> bool:
    states = [place / "state.json" for place in (path, path / split) if (place / "state.json").is_file()]
    return bool(states) and not json.loads(states[0].read_text("utf-8"))["_data_files"]


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


def hub_dataset(reading: Reading, columns: Columns) -> Batches:
    """Rows of a data set on the Hugging Face hub, streamed.

    Raises:
        BadInput: It cannot be reached, or has no such split; a row is too long.
    """
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    source = reading.source
    datasets, name = datasets_package(source.path), source.path.removeprefix(HUB_PREFIX)
    try:
        validate_repo_id(name)  # or `load_dataset` would read a folder of this machine
        loaded = datasets.load_dataset(name, source.config, split=source.split, streaming=True)
    except Exception as error:  # the package runs into whatever the data set's files make it run into
        what = f"cannot be loaded ({worded(error)})"
        raise BadInput(source.path, what, "Check name, config, split and network") from error
    if source.whole_rows:
        yield from of_tables(arrow_rows.of_dataset(loaded), source.path, columns, reading)
        return
    rows = ((number, dict(row), _size(row)) for number, row in enumerate(loaded, 1))
    yield from bounded(of_rows(guarded(source.path, rows), columns), source.path, reading)


def _size(row: dict[str, Any]) -> int:
    return sum(len(value) for value in row.values() if isinstance(value, str | bytes))


def _frames_of_dataset(loaded: Any) -> Batches:
    start = 1
    for table in loaded.with_format("arrow").iter(batch_size=BATCH):
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        yield start, frame
        start += frame.height


READERS: dict[str, Callable[[Path, Columns, Reading], Batches]] = {
    "parquet": _parquet,
    "delta": _delta,
    "jsonl": _jsonl,
    "csv": delimited(","),
    "tsv": delimited("\t"),
    "text": _text,
    "dataset": _dataset,
}
