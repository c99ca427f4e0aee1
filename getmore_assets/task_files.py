"""Reading one task file: YAML, overrides, errors that name the field.

Belongs here: from a path to a `Task`. Does not: the schema (`config/`), the folder of task files (`tasks_folder.py`),
or the files a task names (`preflight.py`).
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
        was = path.stat()
    except OSError:
        return _load(path, tuple(overrides), Path.cwd(), None)
    return _load(path, tuple(overrides), Path.cwd(), (was.st_mtime_ns, was.st_ctime_ns, was.st_size, was.st_ino))


@lru_cache(maxsize=64)  # every asset and check of a run asks for the task, which cannot be changed
def _load(path: Path, overrides: tuple[str, ...], _cwd: Path, _was: tuple[int, ...] | None) -> Task:
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
    """Return the task that fields describe, once the overrides have changed them.

    Raises:
        BadInput: A field is unknown or has a wrong value; `where` says of what.
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
        BadInput: There is no such field, or it cannot have such a value.
    """
    overrides = list(overrides)
    if not overrides:
        return task
    return task_of(task.model_dump(mode="json", exclude_unset=True), overrides, f"task {task.name}")


def _refuse_base(raw: Any, path: Path) -> None:
    """Refuse the one field of the schema that is filled in here, and that no task file sets."""
    if isinstance(raw, dict) and BASE in raw and "path" in raw:
        raise BadInput(str(path), f"{BASE}: unknown key", "Write the path relative to the task file's folder")
    for one in raw.values() if isinstance(raw, dict) else raw if isinstance(raw, list) else ():
        _refuse_base(one, path)


def _override(raw: JsonObject, override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise BadInput(override, "not an override", "Write key=value, for example selection.budget.rows=500")
    try:
        given = safe_yaml.parse(value)
    except ValueError:
        raise BadInput(override, "the value is not valid YAML", "Quote it") from None
    *parents, last = key.split(".")
    node: Any = raw
    owner = ""
    try:
        for parent in parents:
            at = int(parent) if isinstance(node, list) else parent
            child = node.setdefault(at, {}) if isinstance(node, dict) else node[at]
            if isinstance(child, str) and at != "name":  # a source given by its path alone, a selector by its name
                child = node[at] = {"selector" if isinstance(at, int) and owner in _SELECTORS else "path": child}
            node, owner = child, parent
        node[int(last) if isinstance(node, list) else last] = given
    except (TypeError, ValueError, IndexError):
        raise BadInput(override, "there is no such field to change", "Name a field as the task file does") from None


def _explain(error: Any) -> str:
    """One pydantic error as `field: what is wrong; what is accepted`."""
    where = ".".join(str(part) for part in error["loc"]) or "task"
    if error["type"] == "extra_forbidden":
        accepted = _fields_at(error["loc"][:-1])
        near = difflib.get_close_matches(str(error["loc"][-1]), accepted, 1)
        hint = f" (did you mean `{near[0]}`?)" if near else ""
        return f"{where}: unknown key{hint}; accepted here: {', '.join(accepted)}"
    if error["type"] == "missing":
        return f"{where}: missing{_to_write(error['loc'])}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message[0].lower()}{message[1:]} (got {error['input']!r:.80})"


def _to_write(location: tuple[Any, ...]) -> str:
    """What to write for a required field: what it is, and an example, where the schema has them."""
    field = _section_at(location[:-1]).model_fields.get(str(location[-1]))
    if field is None:
        return ""
    example = f", for example `{location[-1]}: {field.examples[0]}`" if field.examples else ""
    return f" ({field.description}{example})" if field.description else ""


def _fields_at(location: tuple[Any, ...]) -> list[str]:
    """The field names a section accepts."""
    return [name for name in _section_at(location).model_fields if name != BASE]


def _section_at(location: tuple[Any, ...]) -> type[Section]:
    """The section that an error's location ends in."""
    model: Any = Task
    for part in location:
        if part not in model.model_fields:  # a place in a list, a name that the user gave
            continue
        model = section_in(model.model_fields[part].annotation) or Source
    return model  # type: ignore[no-any-return]


def section_in(annotation: Any) -> type[Section] | None:
    """The section that a field holds, alone, or none, or several in a list; None where it holds something else."""
    kinds = (annotation, *(getattr(a, "__origin__", a) for a in getattr(annotation, "__args__", ())))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
