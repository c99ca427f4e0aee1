"""The JSON schema of the task file, for editors and other programs.

Belongs here: building the schema, and the comment by which editors find it. Does not: fields (the other modules here).
"""

import json
import os
from pathlib import Path

from getmore_assets.config.sources import BASE
from getmore_assets.config.task import Task
from getmore_assets.json_models import JsonObject


def task_schema() -> JsonObject:
    """Return the JSON schema (draft 2020-12) of a task file."""
    schema = Task.model_json_schema()
    _accept_short_forms(schema["$defs"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "task of getmore-assets"}


def _accept_short_forms(definitions: JsonObject) -> None:
    """Accept a path in place of a source, and a name in place of a selector, as the reader of task files does."""
    for definition in definitions.values():
        definition.get("properties", {}).pop(BASE, None)  # not for task files
    for name in ("Source", "Selector"):
        definitions[f"{name}Fields"] = definitions.pop(name)
        definitions[name] = {"anyOf": [{"type": "string"}, {"$ref": f"#/$defs/{name}Fields"}]}
    # A source has `path` or `asset`.
    source = definitions["SourceFields"]
    source["required"] = [field for field in source.get("required", []) if field != "path"]
    source["anyOf"] = [{"required": ["path"]}, {"required": ["asset"]}]


def write_schema(path: Path) -> Path:
    """Write the schema to a file, and return the path."""
    path.write_text(json.dumps(task_schema(), indent=1) + "\n", "utf-8")
    return path


def language_server_line(schema: Path, folder: Path) -> str:
    """Return the first line of a task file in a folder: the comment by which editors find the schema."""
    return f"# yaml-language-server: $schema={Path(os.path.relpath(schema, folder)).as_posix()}"
