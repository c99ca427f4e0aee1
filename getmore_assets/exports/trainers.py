"""Blocks: the configuration with which a trainer (LLaMA-Factory, axolotl, TRL) reads exported rows.

Belongs here: describing a shape of rows in a trainer's configuration. Does not: the rows (`rows.py`), or which files
are written (`formats.py`). To add a trainer, add a function and a line in `TRAINERS`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from getmore_assets.corpus.shapes import CHAT_EXPORT, Shape
from getmore_assets.errors import BadInput
from getmore_assets.json_models import JsonObject

_FIX = "Export jsonl or parquet, which hold the rows unchanged, and describe them to the trainer"
_LOADERS = {".jsonl": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class RowFile:
    """A file of rows that a block describes.

    Attributes:
        name: Name of the data set for the trainer.
        path: Path of the file; it begins with the folder as the user wrote it.
        shape: Shape of the rows.
    """

    name: str
    path: Path
    shape: Shape

    @property
    def loader(self) -> str:
        """The name of the file's format in `datasets`."""
        return _LOADERS[self.path.suffix]


#: Text of each block, by the name of its file.
Blocks = dict[str, str]


def _llama_factory(files: Sequence[RowFile]) -> Blocks:
    """Return one block that lists all files."""
    entries = {file.name: {"file_name": file.path.name, **_llama_factory_entry(file)} for file in files}
    return {"dataset_info.json": json.dumps(entries, indent=2, ensure_ascii=False) + "\n"}


def _llama_factory_entry(file: RowFile) -> JsonObject:
    shape, columns = file.shape, file.shape.columns
    is_chat, is_preference = "messages" in columns, shape.name == "preference"
    if shape.name == "text":
        return {"columns": {"prompt": columns["text"]}}
    # LLaMA-Factory reads rows whose prompts and answers are all texts, or all messages.
    mixed = not is_chat and (shape.keys or (is_preference and "prompt" not in columns))
    if shape.name in (CHAT_EXPORT, "template") or mixed:
        raise _not_taken("llama-factory", file)
    entry: JsonObject = {}
    if is_chat:
        entry["formatting"] = "openai" if shape.calls_tools else "sharegpt"
    if is_preference:
        entry["ranking"] = True
    entry["columns"] = {**columns, **{name: name for name in shape.has}}
    if is_chat and shape.keys == ("role", "content"):
        roles = {"user_tag": "user", "assistant_tag": "assistant", "system_tag": "system", "observation_tag": "tool"}
        entry["tags"] = {"role_tag": "role", "content_tag": "content", **roles}
    return entry


def _axolotl(files: Sequence[RowFile]) -> Blocks:
    """Return one block per file: axolotl's setting `rl` holds for all data sets in a block."""
    return {f"axolotl{_suffix(file, files)}.yaml": _axolotl_block(file) for file in files}


def _axolotl_block(file: RowFile) -> str:
    shape, columns = file.shape, file.shape.columns
    block: JsonObject = {"path": str(file.path), "ds_type": file.loader, "split": "train"}
    mapping = {"message_property_mappings": dict(zip(("role", "content"), shape.keys or (), strict=False))}
    if shape.name == "preference":
        return _block(file, block | _axolotl_preference(file, mapping), rl="dpo")
    if shape.name == "text":
        block |= {"type": "completion", "field": columns["text"]}
    elif shape.name == CHAT_EXPORT:
        raise _not_taken("axolotl", file)
    elif "messages" in columns:
        block |= {"type": "chat_template", "field_messages": columns["messages"], **mapping}
    elif shape.name == "template" or shape.keys:
        raise _not_taken("axolotl", file)
    elif columns == {"prompt": "instruction", "query": "input", "response": "output"}:
        block |= {"type": "alpaca"}
    else:
        with_query = "{instruction}\n{input}" if "query" in columns else "{instruction}"
        fields = {"prompt": "field_instruction", "query": "field_input", "response": "field_output"}
        named = {fields[part]: column for part, column in columns.items()}
        block |= {"type": {**named, "format": with_query, "no_input_format": "{instruction}"}}
    return _block(file, block)


def _axolotl_preference(file: RowFile, mapping: JsonObject) -> JsonObject:
    columns, sides = file.shape.columns, {"field_chosen": "chosen", "field_rejected": "rejected"}
    if file.shape.keys and "messages" in columns:
        return {"type": "chat_template.default", "field_messages": columns["messages"], **sides, **mapping}
    if file.shape.keys and "prompt" not in columns:
        return {"type": "chat_template.argilla_chat", **sides, **mapping}
    if file.shape.keys:  # the prompt is text, the answers are messages
        return {"type": "chat_template.default", "field_messages": columns["prompt"], **sides, **mapping}
    if "prompt" not in columns:
        raise _not_taken("axolotl", file)
    return {"type": {"field_prompt": columns["prompt"], **sides}}


def _trl(files: Sequence[RowFile]) -> Blocks:
    """Return one block per file: TRL joins the data sets of a block into one table."""
    return {f"trl{_suffix(file, files)}.yaml": _trl_block(file) for file in files}


def _trl_block(file: RowFile) -> str:
    shape = file.shape
    columns = list(shape.columns.values()) + [name for name in shape.has if name in ("tools", "images")]
    single = [shape.name] if shape.name in ("text", "messages", "conversations") else None
    supported = (single, ["prompt", "completion"], ["chosen", "rejected"], ["prompt", "chosen", "rejected"])
    comment = f"# TRL has no trainer for these columns ({', '.join(columns)}): rename or map them once they are read.\n"
    block = _block(file, {"path": file.loader, "data_files": str(file.path), "split": "train", "columns": columns})
    return block if list(shape.columns.values()) in supported else comment + block


def _block(file: RowFile, dataset: JsonObject, **settings: Any) -> str:
    comment = "# The path is relative to the folder that `getmore export` was run in.\n"
    block = yaml.safe_dump({**settings, "datasets": [dataset]}, sort_keys=False, allow_unicode=True)
    return block if file.path.is_absolute() else comment + block


def _suffix(file: RowFile, files: Sequence[RowFile]) -> str:
    return f"-{file.path.stem.partition('-')[2]}" if len(files) > 1 else ""


def _not_taken(trainer: str, file: RowFile) -> BadInput:
    columns = ", ".join(f"`{column}`" for column in file.shape.columns.values())
    kind = " as messages" if file.shape.keys else ""
    return BadInput(f"format {trainer}", f"does not read rows of {columns}{kind}", _FIX)


#: Format → the function that returns the blocks of files.
TRAINERS: dict[str, Callable[[Sequence[RowFile]], Blocks]] = {
    "llama-factory": _llama_factory,
    "axolotl": _axolotl,
    "trl": _trl,
}
