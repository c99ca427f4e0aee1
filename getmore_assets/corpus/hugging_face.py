"""Data sets of Hugging Face's `datasets` package: saved to a folder, or streamed from the hub.

Belongs here: everything that imports `datasets`. Does not: downloaded Parquet and JSON lines (`formats.py`).
"""

import json
from pathlib import Path
from typing import Any

import polars as pl

from getmore_assets.config import HUB_PREFIX
from getmore_assets.corpus import arrow_rows
from getmore_assets.corpus.frames import BATCH, Batches, Columns, bounded, of_rows, of_tables
from getmore_assets.corpus.library_errors import guarded, message_of, translated
from getmore_assets.corpus.reading import Reading, Row
from getmore_assets.errors import BadInput


def read_saved(path: Path, columns: Columns, reading: Reading) -> Batches:
    """Yield the rows of one split of a data set that `save_to_disk` wrote."""
    datasets, split = datasets_package(str(path)), reading.source.split
    with translated(str(path), "not a readable data set"):
        if _is_saved_without_rows(path, split):  # `datasets` writes such a folder, and cannot read it
            return
        loaded = datasets.load_from_disk(str(path))
        if isinstance(loaded, datasets.DatasetDict):
            if split not in loaded:
                raise BadInput(str(path), f"no split `{split}`", f"Its splits are: {', '.join(loaded)}")
            loaded = loaded[split]
        elif "split" in reading.source.model_fields_set and str(loaded.split) != split:
            what = f"no split `{split}`: it is one data set" + (f", `{loaded.split}`" if loaded.split else "")
            raise BadInput(str(path), what, "Take `split` out, or correct it")
        loaded.data.validate(full=True)  # Arrow would follow a damaged offset out of the process's memory
    if reading.source.whole_rows:
        yield from of_tables(arrow_rows.of_dataset(loaded), str(path), columns, reading)
        return
    yield from bounded(guarded(str(path), _frames_of_dataset(loaded)), str(path), reading)


def _is_saved_without_rows(path: Path, split: str) -> bool:
    states = [folder / "state.json" for folder in (path, path / split) if (folder / "state.json").is_file()]
    return bool(states) and not json.loads(states[0].read_text("utf-8"))["_data_files"]


def datasets_package(where: str) -> Any:
    """Import the package `datasets`.

    Raises:
        BadInput: The package is not installed; `where` names the source that needs it.
    """
    try:
        import datasets
    except ImportError:
        fix = "Install the extra: pip install 'getmore-assets[datasets]'"
        raise BadInput(where, "needs the `datasets` package, which is not installed", fix) from None
    return datasets


def hub_revision(name: str) -> str:
    """Return the commit hash of a data set on the hub.

    Raises:
        BadInput: The hub cannot be reached, or has no such data set.
    """
    from huggingface_hub import HfApi

    try:
        return str(HfApi().dataset_info(name).sha)
    except (OSError, ValueError) as error:
        what = f"cannot be looked up ({str(error).splitlines()[0][:120]})"
        raise BadInput(f"hf://{name}", what, "Check name and network") from None


def read_hub(reading: Reading, columns: Columns) -> Batches:
    """Yield the rows of a data set on the Hugging Face hub, streamed.

    Raises:
        BadInput: The data set cannot be reached, or has no such split; a row is too long.
    """
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    source = reading.source
    datasets, name = datasets_package(source.path), source.path.removeprefix(HUB_PREFIX)
    try:
        validate_repo_id(name)  # `load_dataset` would read a local folder
        loaded = datasets.load_dataset(name, source.config, split=source.split, streaming=True)
    except Exception as error:  # of any class, depending on the data set's files
        what = f"cannot be loaded ({message_of(error)})"
        raise BadInput(source.path, what, "Check name, config, split and network") from error
    if source.whole_rows:
        yield from of_tables(arrow_rows.of_dataset(loaded), source.path, columns, reading)
        return
    rows = ((number, dict(row), _size(row)) for number, row in enumerate(loaded, 1))
    yield from bounded(of_rows(guarded(source.path, rows), columns), source.path, reading)


def _size(row: Row) -> int:
    return sum(len(value) for value in row.values() if isinstance(value, str | bytes))


def _frames_of_dataset(loaded: Any) -> Batches:
    start = 1
    for table in loaded.with_format("arrow").iter(batch_size=BATCH):
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        yield start, frame
        start += frame.height
