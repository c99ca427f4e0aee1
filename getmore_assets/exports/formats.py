"""The formats of exports.

Belongs here: writing a selection or a model in every format. Does not: choosing rows (`rows.py`), the text of a model
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
from getmore_assets.exports.folder import Output, write_outputs
from getmore_assets.exports.origin import Origin, origin_of
from getmore_assets.exports.rows import Part
from getmore_assets.exports.trainers import TRAINERS, RowFile
from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records

_WILDCARDS = ("*", "?", "[", "::")  # special in the paths that `datasets`, and so a trainer, reads


def _jsonl(part: Part, path: Path) -> None:
    if part.frame is not None:
        part.frame.write_ndjson(path)
    else:
        path.write_bytes("".join(f"{row.line()}\n" for row in part.whole).encode("utf-8"))


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
        dataset = datasets.Dataset.from_polars(part.frame)
    else:
        dataset = datasets.Dataset(datasets.table.InMemoryTable(payloads.table(part.whole)))
    dataset.save_to_disk(str(path))


#: Format → suffix of its files or folders, and the function that writes rows.
_ROWS: dict[str, tuple[str, Callable[[Part, Path], None]]] = {
    "parquet": (".parquet", _parquet),
    "jsonl": (".jsonl", _jsonl),
    "csv": (".csv", _csv),
    "huggingface": ("", _huggingface),
}
_HUB = "hub"  # a folder to upload as a data set: rows and a card
assert (*_ROWS, _HUB, *TRAINERS, *MODELS) == FORMATS

#: The sections of a task that must not have changed since an exported stage was materialized.
_SECTIONS = {
    "selected_subset": ("selection",),
    "warmed_model": ("warmup",),
    "finetuned_model": ("warmup", "finetune"),
}


def export(task: Task, formats: Sequence[str], folder: Path, every: bool = False) -> dict[str, Path]:
    """Write a selection, or the models trained on it, into a folder, and return the paths of the outputs by name.

    Args:
        task: The task whose last selection or models are exported.
        formats: Names in `FORMATS`. Rows are in order of rank; whole rows are unchanged from their source.
        folder: The path that the user gave, which trainer blocks contain; created if missing.
        every: Export all candidates with their scores instead of the selected rows with their texts.

    Raises:
        BadInput: A format is unknown or does not support `every`, nothing is materialized yet, the settings of the task
            have changed since, or another file has the name of an output.
    """
    for name in formats:
        if name not in FORMATS:
            raise BadInput(f"format {name}", "there is no such format", f"Give one or more of: {', '.join(FORMATS)}")
        if every and name not in _ROWS:
            what = "cannot hold all candidates: they have scores, not texts"
            raise BadInput(f"format {name}", what, f"Give one of: {', '.join(_ROWS)}")
    records = Records(Lake(task.lake), task.name)
    models = [_model(records, _record(records, task, name)) for name in MODELS if name in formats]
    of_rows = [name for name in formats if name not in MODELS]
    return write_outputs(folder, [*(_selection(records, task, of_rows, folder, every) if of_rows else []), *models])


def _selection(records: Records, task: Task, formats: Sequence[str], folder: Path, every: bool) -> list[Output]:
    """Return the outputs of a selection: rows, and the blocks for trainers, which name the files of rows."""
    record = _record(records, task, "selected_subset")
    origin = origin_of(records, record)
    trainers = [name for name in TRAINERS if name in formats]
    if trainers and (wildcards := [sign for sign in _WILDCARDS if sign in str(folder.absolute())]):
        what = f"has `{wildcards[0]}` in its path, which trainers read as a pattern"
        raise BadInput(f"the folder {folder}", what, "Give another folder")
    if "huggingface" in formats:
        datasets_package("format huggingface")
    parts = [rows.all_candidates(record)] if every else rows.parts(record)
    outputs = [
        Output(part.name + _ROWS[name][0], partial(_write_rows, name, part), origin)
        for part in parts
        for name in _ROWS
        if name in formats or (trainers and name == _format_for_trainers(part))
    ]
    if _HUB in formats:
        outputs.append(Output(_HUB, partial(_write_dataset, parts, origin), origin))
    files = []
    for part in parts:
        path = folder / (part.name + _ROWS[_format_for_trainers(part)][0])
        files.append(RowFile(part.name.replace("selected", task.name, 1), path, part.shape))
    for trainer in trainers:
        for name, text in TRAINERS[trainer](files).items():
            outputs.append(Output(name, partial(_write_text, text), origin))
    return outputs


def _format_for_trainers(part: Part) -> str:
    """Return the format from which trainers read rows: Parquet if rows have types that JSON lacks."""
    return "parquet" if part.whole and not part.whole[0].is_json else "jsonl"


def _write_rows(name: str, part: Part, path: Path) -> None:
    try:
        _ROWS[name][1](part, path)
    except NoCommonFormError as error:
        others = "jsonl" if part.whole[0].is_json else "parquet or huggingface"
        what = f"cannot hold the rows of {part.name} unchanged: {error}"
        raise BadInput(f"format {name}", what, f"Export {others}, which keep rows unchanged") from None


def _write_dataset(parts: Sequence[Part], origin: Origin, path: Path) -> None:
    """Write a folder with the rows as Parquet, and a card with their origin."""
    (path / "data").mkdir(parents=True)
    columns = {}
    for part in parts:
        file = path / "data" / f"{part.name}.parquet"
        _write_rows("parquet", part, file)
        columns[file.name] = list(pl.read_parquet_schema(file))
    _write_text(hub.dataset_card(origin, columns), path / "README.md")


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, "utf-8")


def _model(records: Records, record: Record) -> Output:
    """Return the output of a model: a copy of its folder, with a card."""
    origin = origin_of(records, record)
    text = card.text(record, origin, records.get("scorecard"))

    def write(path: Path) -> None:
        shutil.copytree(record.folders["model"], path)
        _write_text(text, path / "README.md")

    return Output(record.stage, write, origin)


def _record(records: Records, task: Task, stage: str) -> Record:
    """Return the record of a stage; refuse a record with other settings than the task has now."""
    command = "run" if stage in MODELS else "select"
    record = records.require(stage, f"Run `{command}` first")
    then = Task.model_validate(record.settings)
    for section in _SECTIONS[stage]:
        if getattr(then, section) != getattr(task, section):
            what = f"was materialized with another `{section}` than the task has now"
            fix = f"Run `{command}` first, or give the overrides that it was materialized with"
            raise BadInput(f"{stage} of {task.name}", what, fix)
    return record
