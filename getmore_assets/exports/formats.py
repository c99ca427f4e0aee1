"""The formats of exports.

Belongs here: writing a selection, or a model, in every format. Does not: which rows (`rows.py`), the text of a model
card (`card.py`), the configuration of trainers (`trainers.py`), or replacing files in the user's folder (`folder.py`).
"""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import payloads
from getmore_assets.corpus.hugging_face import datasets_package
from getmore_assets.corpus.payloads import NoCommonFormError
from getmore_assets.errors import BadInput
from getmore_assets.exports import FORMATS, MODELS, card, hub, rows
from getmore_assets.exports.folder import Output, put
from getmore_assets.exports.origin import Origin, origin
from getmore_assets.exports.rows import Part
from getmore_assets.exports.trainers import TRAINERS, Described
from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records

_PATTERN = ("*", "?", "[", "::")  # trainers read with `datasets`, which gives these characters a meaning


def _jsonl(part: Part, path: Path) -> None:
    if part.frame is not None:
        part.frame.write_ndjson(path)
    else:
        lines = [one.line() for one in part.whole]
        path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8"))


def _csv(part: Part, path: Path) -> None:
    if part.frame is None:
        raise NoCommonFormError("CSV cannot hold a row of messages or lists")
    part.frame.write_csv(path)


def _parquet(part: Part, path: Path) -> None:
    if part.frame is not None:
        part.frame.write_parquet(path)
    else:
        import pyarrow.parquet as pq

        pq.write_table(payloads.table(part.whole), path)


def _huggingface(part: Part, path: Path) -> None:
    datasets = datasets_package("format huggingface")
    datasets.disable_progress_bars()
    if part.frame is not None:
        made = datasets.Dataset.from_polars(part.frame)
    else:
        made = datasets.Dataset(datasets.table.InMemoryTable(payloads.table(part.whole)))
    made.save_to_disk(str(path))


#: Format → suffix of its files or folders, and the function that writes rows.
_ROWS: dict[str, tuple[str, Callable[[Part, Path], None]]] = {
    "parquet": (".parquet", _parquet),
    "jsonl": (".jsonl", _jsonl),
    "csv": (".csv", _csv),
    "huggingface": ("", _huggingface),
}
_HUB = "hub"  # a data set's folder for the hub: rows and a card
assert (*_ROWS, _HUB, *TRAINERS, *MODELS) == FORMATS

#: The sections of a task that must be unchanged since an exported stage was materialized.
_MADE_WITH = {
    "selected_subset": ("selection",),
    "warmed_model": ("warmup",),
    "finetuned_model": ("warmup", "finetune"),
}


def export(task: Task, formats: Sequence[str], folder: Path, every: bool = False) -> dict[str, Path]:
    """Write a selection, or the models trained on it, into a folder; returns the paths of the outputs by name.

    Args:
        task: The task whose last selection or models are exported.
        formats: Names in `FORMATS`. Rows are in order of rank; whole rows are as in their source.
        folder: The path that the user gave, which blocks for trainers contain; created if it is missing.
        every: Export all candidates with their scores instead of the selected rows with their texts.

    Raises:
        BadInput: A format is unknown or does not support `every`, nothing is materialized yet, it was materialized with
            other settings than the task has now, or another file is where an output would be.
    """
    for one in formats:
        if one not in FORMATS:
            raise BadInput(f"format {one}", "there is no such format", f"Give one or more of: {', '.join(FORMATS)}")
        if every and one not in _ROWS:
            what = "cannot hold all candidates: they have scores, not texts"
            raise BadInput(f"format {one}", what, f"Give one of: {', '.join(_ROWS)}")
    records = Records(Lake(task.lake), task.name)
    models = [_model(records, _made(records, task, one)) for one in MODELS if one in formats]
    of_rows = [one for one in formats if one not in MODELS]
    return put(folder, [*(_of_selection(records, task, of_rows, folder, every) if of_rows else []), *models])


def _of_selection(records: Records, task: Task, formats: Sequence[str], folder: Path, every: bool) -> list[Output]:
    """Return the outputs of a selection: rows, and the blocks for trainers, which name the files of rows."""
    made = _made(records, task, "selected_subset")
    comes_from = origin(records, made)
    trainers = [one for one in TRAINERS if one in formats]
    if trainers and (odd := [part for part in _PATTERN if part in str(folder.absolute())]):
        what = f"has `{odd[0]}` in its path, which trainers read as a pattern"
        raise BadInput(f"the folder {folder}", what, "Give another folder")
    if "huggingface" in formats:
        datasets_package("format huggingface")
    parts = [rows.all_candidates(made)] if every else rows.parts(made)
    outputs = [
        Output(part.name + _ROWS[one][0], partial(_write_rows, one, part), comes_from)
        for part in parts
        for one in _ROWS
        if one in formats or (trainers and one == _read_by_trainers(part))
    ]
    of_task = {part.name: part.name.replace("selected", task.name, 1) for part in parts}
    files = [
        Described(of_task[part.name], folder / (part.name + _ROWS[_read_by_trainers(part)][0]), part.shape)
        for part in parts
    ]
    if _HUB in formats:
        outputs.append(Output(_HUB, partial(_write_dataset, parts, comes_from), comes_from))
    for one in trainers:
        for name, text in TRAINERS[one](files).items():
            outputs.append(Output(name, partial(_write_text, text), comes_from))
    return outputs


def _read_by_trainers(part: Part) -> str:
    """Return the format from which trainers read rows: Parquet where rows have types that JSON lacks."""
    return "parquet" if part.whole and not part.whole[0].is_json else "jsonl"


def _write_rows(one: str, part: Part, path: Path) -> None:
    try:
        _ROWS[one][1](part, path)
    except NoCommonFormError as error:
        others = "jsonl" if part.whole[0].is_json else "parquet or huggingface"
        what = f"cannot hold the rows of {part.name} unchanged: {error}"
        raise BadInput(f"format {one}", what, f"Export {others}, which keep rows unchanged") from None


def _write_dataset(parts: Sequence[Part], comes_from: Origin, path: Path) -> None:
    """Write a folder with the rows as Parquet, and a card with their origin."""
    (path / "data").mkdir(parents=True)
    columns = {}
    for part in parts:
        file = path / "data" / f"{part.name}.parquet"
        _write_rows("parquet", part, file)
        columns[file.name] = list(pl.read_parquet_schema(file))
    _write_text(hub.dataset_card(comes_from, columns), path / "README.md")


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, "utf-8")


def _model(records: Records, made: Record) -> Output:
    """Return the output of a model: a copy of its folder, with a card."""
    comes_from = origin(records, made)
    text = card.text(made, comes_from, records.get("scorecard"))

    def write(path: Path) -> None:
        shutil.copytree(made.folders["model"], path)
        _write_text(text, path / "README.md")

    return Output(made.stage, write, comes_from)


def _made(records: Records, task: Task, stage: str) -> Record:
    """Return the record of a stage; refuse a record of other settings than the task has now."""
    verb = "run" if stage in MODELS else "select"
    record = records.require(stage, f"Run `{verb}` first")
    then = Task.model_validate(record.settings)
    for part in _MADE_WITH[stage]:
        if getattr(then, part) != getattr(task, part):
            what = f"was made with another `{part}` than the task has now"
            raise BadInput(f"{stage} of {task.name}", what, f"Run `{verb}` first, or give the changes it was made with")
    return record
