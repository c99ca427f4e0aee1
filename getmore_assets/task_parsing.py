"""Parsing one task file: YAML, overrides, and refusals of unknown keys and wrong values, which name the field.

Belongs here: turning a file or fields into a `Task`. Does not: the schema (`config/`), the folder of task files
(`tasks_folder.py`), or the files that a task names (`preflight.py`).
"""

import difflib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from getmore_assets import safe_yaml
from getmore_assets.config import BASE, Section, Source, Task
from getmore_assets.errors import BadInput
from getmore_assets.json_models import JsonObject
from getmore_assets.task_paths import relative_to_file

_SELECTORS = ("compare", "entrants")  # the fields that list selectors


def load_task(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Task:
    """Read a task file and apply `key.sub=value` overrides.

    Raises:
        BadInput: The file is missing, cannot be read, is not YAML, or a field of it is unknown or has a wrong value.
    """
    path = Path(path)
    try:
        stat = path.stat()
    except OSError:
        return _load(path, tuple(overrides), Path.cwd(), None)
    return _load(path, tuple(overrides), Path.cwd(), (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino))


@lru_cache(maxsize=64)  # every asset and check of a run loads the task, which is immutable
def _load(path: Path, overrides: tuple[str, ...], _cwd: Path, _state: tuple[int, ...] | None) -> Task:
    try:
        raw = safe_yaml.read(path)
    except FileNotFoundError:
        raise BadInput(str(path), "there is no such task file", "Give the path of a YAML task file") from None
    except OSError as error:
        what = f"cannot be read ({error.strerror or 'not a regular file'})"
        raise BadInput(str(path), what, "Give the path of a YAML task file that you may read") from None
    except ValueError as error:
        raise BadInput(str(path), f"not valid YAML ({error})", "Correct the file") from None
    if not isinstance(raw, dict):
        raise BadInput(str(path), "not a mapping of fields", "See tasks/demo.yaml for the shape of a task file")
    task = task_of(raw, overrides, str(path))
    _refuse_base(raw, path)
    return relative_to_file(task, path)


def task_of(raw: JsonObject, overrides: Iterable[str], where: str) -> Task:
    """Return the task with the given fields, changed by overrides.

    Args:
        raw: The fields; overrides change this object.
        overrides: `key.sub=value` each.
        where: The file, or another name of the fields, for messages.

    Raises:
        BadInput: A field is unknown or has a wrong value.
    """
    for override in overrides:
        _override(raw, override)
    try:
        return Task.model_validate(raw)
    except ValidationError as error:
        raise BadInput(where, "; ".join(_explain(e) for e in error.errors()), "Correct the task file") from None


def changed(task: Task, overrides: Iterable[str]) -> Task:
    """Return a task with fields changed by `key.sub=value`.

    Raises:
        BadInput: A field is unknown or has a wrong value.
    """
    overrides = list(overrides)
    if not overrides:
        return task
    return task_of(task.model_dump(mode="json", exclude_unset=True), overrides, f"task {task.name}")


def _refuse_base(raw: Any, path: Path) -> None:
    """Refuse the field `base` in a task file, because it is set after parsing."""
    if isinstance(raw, dict) and BASE in raw and "path" in raw:
        raise BadInput(str(path), f"{BASE}: unknown key", "Write the path relative to the task file's folder")
    for value in raw.values() if isinstance(raw, dict) else raw if isinstance(raw, list) else ():
        _refuse_base(value, path)


def _override(raw: JsonObject, override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise BadInput(override, "not an override", "Write key=value, for example selection.budget.rows=500")
    try:
        parsed = safe_yaml.parse(value)
    except ValueError:
        raise BadInput(override, "the value is not valid YAML", "Quote it") from None
    *parents, last = key.split(".")
    node: Any = raw
    owner = ""
    try:
        for parent in parents:
            at = int(parent) if isinstance(node, list) else parent
            child = node.setdefault(at, {}) if isinstance(node, dict) else node[at]
            if isinstance(child, str) and at != "name":  # the short form of a source or a selector
                child = node[at] = {"selector" if isinstance(at, int) and owner in _SELECTORS else "path": child}
            node, owner = child, parent
        node[int(last) if isinstance(node, list) else last] = parsed
    except (TypeError, ValueError, IndexError):
        raise BadInput(override, "there is no such field to change", "Name a field as the task file does") from None


def _explain(error: Any) -> str:
    """Return an error of pydantic as `field: what is wrong; what is accepted`."""
    where = ".".join(str(part) for part in error["loc"]) or "task"
    if error["type"] == "extra_forbidden":
        accepted = _fields_at(error["loc"][:-1])
        near = difflib.get_close_matches(str(error["loc"][-1]), accepted, 1)
        hint = f" (did you mean `{near[0]}`?)" if near else ""
        return f"{where}: unknown key{hint}; accepted here: {', '.join(accepted)}"
    if error["type"] == "missing":
        return f"{where}: missing{_description_of(error['loc'])}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message[0].lower()}{message[1:]} (got {error['input']!r:.80})"


def _description_of(location: tuple[Any, ...]) -> str:
    """Return the description and an example of a required field, if the schema has them."""
    field = _section_at(location[:-1]).model_fields.get(str(location[-1]))
    if field is None:
        return ""
    example = f", for example `{location[-1]}: {field.examples[0]}`" if field.examples else ""
    return f" ({field.description}{example})" if field.description else ""


def _fields_at(location: tuple[Any, ...]) -> list[str]:
    """Return the names of the fields that a section accepts."""
    return [name for name in _section_at(location).model_fields if name != BASE]


def _section_at(location: tuple[Any, ...]) -> type[Section]:
    """Return the section at an error's location."""
    model: Any = Task
    for part in location:
        if part not in model.model_fields:  # an index of a list, or a key that the user chose
            continue
        model = section_in(model.model_fields[part].annotation) or Source
    return model  # type: ignore[no-any-return]


def section_in(annotation: Any) -> type[Section] | None:
    """Return the section in a field's annotation (`Section`, `Section | None` or `list[Section]`), or None."""
    types = (annotation, *(getattr(a, "__origin__", a) for a in getattr(annotation, "__args__", ())))
    return next((kind for kind in types if isinstance(kind, type) and issubclass(kind, Section)), None)
