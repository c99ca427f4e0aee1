"""The configuration block with which a trainer reads exported rows: LLaMA-Factory, axolotl, TRL.

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

_FIX = "Export jsonl or parquet, which hold the rows as they are, and describe them to the trainer"
_LOADERS = {".jsonl": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class Described:
    """A file of rows that a block describes.

    Attributes:
        name: Name of the data set for the trainer.
        file: Path of the file, below the folder as the user wrote it.
        shape: Shape of the rows.
    """

    name: str
    file: Path
    shape: Shape

    @property
    def loader(self) -> str:
        """The name of the file's format in `datasets`."""
        return _LOADERS[self.file.suffix]


#: Text of blocks, by the name of their file.
Blocks = dict[str, str]


def _llama_factory(files: Sequence[Described]) -> Blocks:
    """Return one block that lists all files."""
    entries = {one.name: {"file_name": one.file.name, **_llama_factory_entry(one)} for one in files}
    return {"dataset_info.json": json.dumps(entries, indent=2, ensure_ascii=False) + "\n"}


def _llama_factory_entry(one: Described) -> JsonObject:
    shape, columns = one.shape, one.shape.columns
    beside = {name: name for name in shape.has}
    chat = "messages" in columns
    if shape.name == "text":
        return {"columns": {"prompt": columns["text"]}}
    if shape.name in (CHAT_EXPORT, "template") or (
        shape.keys and not chat
    ):  # its prompts and answers are texts, or all are messages
        raise _not_taken("llama-factory", one)
    if not chat:
        ranking = {"ranking": True} if shape.name == "preference" else {}
        if ranking and "prompt" not in columns:
            raise _not_taken("llama-factory", one)
        return {**ranking, "columns": {**columns, **beside}}
    entry: JsonObject = {"formatting": "openai" if shape.calls_tools else "sharegpt"}
    if shape.name == "preference":
        entry["ranking"] = True
    entry["columns"] = {**columns, **beside}
    if shape.keys == ("role", "content"):
        roles = {"user_tag": "user", "assistant_tag": "assistant", "system_tag": "system", "observation_tag": "tool"}
        entry["tags"] = {"role_tag": "role", "content_tag": "content", **roles}
    return entry


def _axolotl(files: Sequence[Described]) -> Blocks:
    """Return one block per file: axolotl's setting `rl` holds for all data sets in a block."""
    return {f"axolotl{_suffix(one, files)}.yaml": _axolotl_block(one) for one in files}


def _axolotl_block(one: Described) -> str:
    shape, columns = one.shape, one.shape.columns
    block: JsonObject = {"path": str(one.file), "ds_type": one.loader, "split": "train"}
    mapping = {"message_property_mappings": dict(zip(("role", "content"), shape.keys or (), strict=False))}
    if shape.name == "preference":
        return _block(one, block | _axolotl_preference(one, mapping), rl="dpo")
    if shape.name == "text":
        block |= {"type": "completion", "field": columns["text"]}
    elif shape.name == CHAT_EXPORT:
        raise _not_taken("axolotl", one)
    elif "messages" in columns:
        block |= {"type": "chat_template", "field_messages": columns["messages"], **mapping}
    elif shape.name == "template" or shape.keys:
        raise _not_taken("axolotl", one)
    elif columns == {"prompt": "instruction", "query": "input", "response": "output"}:
        block |= {"type": "alpaca"}
    else:
        with_query = "{instruction}\n{input}" if "query" in columns else "{instruction}"
        fields = {"prompt": "field_instruction", "query": "field_input", "response": "field_output"}
        asked = {fields[part]: column for part, column in columns.items()}
        block |= {"type": {**asked, "format": with_query, "no_input_format": "{instruction}"}}
    return _block(one, block)


def _axolotl_preference(one: Described, mapping: JsonObject) -> JsonObject:
    columns, sides = one.shape.columns, {"field_chosen": "chosen", "field_rejected": "rejected"}
    if one.shape.keys and "messages" in columns:
        return {"type": "chat_template.default", "field_messages": columns["messages"], **sides, **mapping}
    if one.shape.keys and "prompt" not in columns:
        return {"type": "chat_template.argilla_chat", **sides, **mapping}
    if one.shape.keys:  # a prompt of text, sides of messages
        return {"type": "chat_template.default", "field_messages": columns["prompt"], **sides, **mapping}
    if "prompt" not in columns:
        raise _not_taken("axolotl", one)
    return {"type": {"field_prompt": columns["prompt"], **sides}}


def _trl(files: Sequence[Described]) -> Blocks:
    """Return one block per file: TRL joins the data sets of a block into one table."""
    return {f"trl{_suffix(one, files)}.yaml": _trl_block(one) for one in files}


def _trl_block(one: Described) -> str:
    shape = one.shape
    columns = list(shape.columns.values()) + [name for name in shape.has if name in ("tools", "images")]
    taken = {"text": "text", "messages": "messages", "conversations": "conversations"}
    completions = (["prompt", "completion"], ["chosen", "rejected"], ["prompt", "chosen", "rejected"])
    if list(shape.columns.values()) not in ([taken.get(shape.name)], *completions):
        said = (
            f"# TRL has no trainer for these columns ({', '.join(columns)}): rename or map them once they are read.\n"
        )
    else:
        said = ""
    return said + _block(one, {"path": one.loader, "data_files": str(one.file), "split": "train", "columns": columns})


def _block(one: Described, dataset: JsonObject, **settings: Any) -> str:
    folder = (
        "" if one.file.is_absolute() else "# The path is relative to the folder that `getmore export` was run in.\n"
    )
    return folder + yaml.safe_dump({**settings, "datasets": [dataset]}, sort_keys=False, allow_unicode=True)


def _suffix(one: Described, files: Sequence[Described]) -> str:
    return f"-{one.file.stem.partition('-')[2]}" if len(files) > 1 else ""


def _not_taken(trainer: str, one: Described) -> BadInput:
    made_of = ", ".join(f"`{column}`" for column in one.shape.columns.values())
    holds = " as messages" if one.shape.keys else ""
    return BadInput(f"format {trainer}", f"takes no rows that are made of {made_of}{holds}", _FIX)


#: Format → the function that returns its blocks for some files.
TRAINERS: dict[str, Callable[[Sequence[Described]], Blocks]] = {
    "llama-factory": _llama_factory,
    "axolotl": _axolotl,
    "trl": _trl,
}
