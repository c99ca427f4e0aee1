"""The formats: what each consists of.

Belongs here: a selection, or a model, in every format. Does not: which rows (`rows.py`), what a model card says
(`card.py`), or how files get into the user's folder (`folder.py`). To add a trainer: a line in `_TRAINERS`.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from getmore_assets.config import Task
from getmore_assets.corpus.formats import datasets_package
from getmore_assets.errors import BadInput
from getmore_assets.exports import FORMATS, card, rows
from getmore_assets.exports.folder import Output, put
from getmore_assets.exports.origin import origin
from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records

_JSONL = "jsonl"
_PATTERN = ("*", "?", "[", "::")  # what `datasets`, with which the trainers read, takes for more than a name


def _llama_factory(task: str, file: Path) -> str:
    return json.dumps({task: {"file_name": file.name, "columns": {"prompt": "text"}}}, indent=2) + "\n"


def _axolotl(_task: str, file: Path) -> str:
    return _block(file, {"path": str(file), "ds_type": "json", "split": "train", "type": "completion", "field": "text"})


def _trl(_task: str, file: Path) -> str:
    return _block(file, {"path": "json", "data_files": str(file), "split": "train", "columns": ["text"]})


def _block(file: Path, dataset: dict[str, Any]) -> str:
    note = "" if file.is_absolute() else "# The path is relative to the folder that `getmore export` was run in.\n"
    return note + yaml.safe_dump({"datasets": [dataset]}, sort_keys=False, allow_unicode=True)


#: Format → the file that describes the JSONL beside it, and its text for (task, JSONL file).
_TRAINERS: dict[str, tuple[str, Callable[[str, Path], str]]] = {
    "llama-factory": ("dataset_info.json", _llama_factory),
    "axolotl": ("axolotl.yaml", _axolotl),
    "trl": ("trl.yaml", _trl),
}
_MODELS = ("warmed_model", "finetuned_model")


def _huggingface(frame: pl.DataFrame, path: Path) -> None:
    datasets = datasets_package("format huggingface")
    datasets.disable_progress_bars()
    datasets.Dataset.from_polars(frame).save_to_disk(str(path))


#: Format → how its files or folders end, and how rows are written there.
_ROWS: dict[str, tuple[str, Callable[[pl.DataFrame, Path], object]]] = {
    "parquet": (".parquet", pl.DataFrame.write_parquet),
    _JSONL: (".jsonl", pl.DataFrame.write_ndjson),
    "huggingface": ("", _huggingface),
}
assert (*_ROWS, *_TRAINERS, *_MODELS) == FORMATS

#: The parts of a task that what a station left must have been made with.
_MADE_WITH = {
    "selected_subset": ("selection",),
    "warmed_model": ("warmup",),
    "finetuned_model": ("warmup", "finetune"),
}


def export(task: Task, formats: Sequence[str], folder: Path, every: bool = False) -> dict[str, Path]:
    """Write a selection, or the models that came of it, into a folder; returns what was written by name.

    Args:
        task: Whose; what was made of it last.
        formats: Of `FORMATS`. Rows stand in order of rank.
        folder: As the user gave it, and as blocks for trainers name it; made where it is missing.
        every: All candidates with their scores, in place of the selected rows with their texts.

    Raises:
        BadInput: A format is unknown or does not go with `every`, nothing has been made yet, it was made with other
            settings than the task has now, or the folder holds something else where an output would be.
    """
    for one in formats:
        if one not in FORMATS:
            raise BadInput(f"format {one}", "there is no such format", f"Give one or more of: {', '.join(FORMATS)}")
        if every and one not in _ROWS:
            what = "cannot hold all candidates: they have scores, not texts"
            raise BadInput(f"format {one}", what, f"Give one of: {', '.join(_ROWS)}")
    records = Records(Lake(task.lake), task.name)
    models = [_model(records, _made(records, task, one)) for one in _MODELS if one in formats]
    of_rows = [one for one in formats if one not in _MODELS]
    return put(folder, [*(_of_selection(records, task, of_rows, folder, every) if of_rows else []), *models])


def _of_selection(records: Records, task: Task, formats: Sequence[str], folder: Path, every: bool) -> list[Output]:
    """Rows, and the blocks that name the file that they are in."""
    made = _made(records, task, "selected_subset")
    comes_from, name = origin(records, made), "candidates" if every else "selected"
    trainers = [one for one in _TRAINERS if one in formats]
    if trainers and (odd := [part for part in _PATTERN if part in str(folder.absolute())]):
        what = f"has `{odd[0]}` in its path, which trainers read as a pattern"
        raise BadInput(f"the folder {folder}", what, "Give another folder")
    if "huggingface" in formats:
        datasets_package("format huggingface")
    frame = rows.candidates(made) if every else rows.selected(made)
    wanted = [one for one in _ROWS if one in formats or (one == _JSONL and trainers)]
    outputs = [Output(name + _ROWS[one][0], partial(_ROWS[one][1], frame), comes_from) for one in wanted]
    for one in trainers:
        called, text = _TRAINERS[one][0], _TRAINERS[one][1](task.name, folder / f"{name}.jsonl")
        outputs.append(Output(called, partial(_write_text, text), comes_from))
    return outputs


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, "utf-8")


def _model(records: Records, made: Record) -> Output:
    """A copy of a model's folder, with a card."""
    comes_from = origin(records, made)
    text = card.text(made, comes_from, records.get("scorecard"))

    def write(path: Path) -> None:
        shutil.copytree(made.folders["model"], path)
        _write_text(text, path / "README.md")

    return Output(made.station, write, comes_from)


def _made(records: Records, task: Task, station: str) -> Record:
    """What a station left, if it was made with what the task says now."""
    verb = "run" if station in _MODELS else "select"
    record = records.require(station, f"Run `{verb}` first")
    then = Task.model_validate(record.settings)
    for part in _MADE_WITH[station]:
        if getattr(then, part) != getattr(task, part):
            what = f"was made with another `{part}` than the task has now"
            raise BadInput(
                f"{station} of {task.name}", what, f"Run `{verb}` first, or give the changes it was made with"
            )
    return record
