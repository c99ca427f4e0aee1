"""Writing the task file: chosen fields with reasons, and all other fields of the schema, commented out at defaults.

Belongs here: YAML with comments. Does not: choosing (`draft.py`). Descriptions and defaults come from the schema, so
they are always current. A line that begins with `#` and one space is prose; with no space or several it is a setting.
"""

import inspect
import json
import textwrap
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from getmore_assets.config import BASE, Section, Task
from getmore_assets.drafting.draft import Draft
from getmore_assets.json_models import JsonObject
from getmore_assets.task_parsing import section_in

_WIDE = 120
_COMMENTS_AT = 40
_HEAD = (
    "Drafted by `getmore init` from {given}. The comment beside a value has the reason for the value, and the "
    "alternatives: correct what is wrong. Then `getmore select {file}` stops after the selection, and `getmore run "
    "{file}` goes on to models, scorecard and report. Paths are relative to the folder of this file.",
    "A line that begins with #, but not with one space after it, is a setting at its default: to change it, remove the "
    "# there and before the name of its section.",
)


def write(draft: Draft, given: list[str], file: str) -> str:
    """Return the text of a task file.

    Args:
        draft: The draft.
        given: The paths from which the task was drafted.
        file: Path of the task file, for the commands at its top.

    Returns:
        YAML that loads as exactly the chosen fields, with every other field at its default.
    """
    said = [line.format(given=", ".join(given), file=file) for line in _HEAD]
    lines = [line for each in said for line in _prose(each, "# ")]
    lines += [line for name, why in draft.left.items() for line in _prose(f"Not used: {name} ({why})", "# ")]
    reasons = {choice.field: choice.summary() for choice in draft.choices}
    lines += _section(Task, draft.fields, reasons, "", 0)
    text = "\n".join(lines) + "\n"
    assert Task.model_validate(yaml.safe_load(text)) == Task.model_validate(draft.fields), "it must say what was chosen"
    return text


def _section(model: type[Section], given: JsonObject, reasons: dict[str, str], at: str, indent: int) -> Iterator[str]:
    """Yield the lines of one section: its fields in the schema's order."""
    for name, field in _settings(model):
        key, dotted = field.alias or name, f"{at}{name}"
        if not indent:
            yield ""
        value = given.get(key)
        nested = section_in(field.annotation)
        if key not in given:
            if indent < 4 or at.startswith("candidates.0."):  # only the first of several sources shows all fields
                yield from _default(key, field, reasons.get(dotted), indent)
        elif isinstance(value, dict) and nested:
            yield from _line(indent, f"{key}:", reasons.get(dotted) or _about(field))
            yield from _section(nested, value, reasons, f"{dotted}.", indent + 2)
        elif isinstance(value, list) and nested:
            yield from _line(indent, f"{key}:", reasons.get(dotted) or field.description or "")
            for number, item in enumerate(value):
                yield from _item(nested, item, reasons, f"{dotted}.{number}.", indent + 2)
        else:
            yield from _line(indent, f"{key}: {_flow(value)}", reasons.get(dotted) or field.description or "")


def _settings(model: type[Section]) -> list[tuple[str, FieldInfo]]:
    """Return the fields of a section that a task file may set."""
    return [(name, field) for name, field in model.model_fields.items() if name != BASE]


def _item(model: type[Section], item: JsonObject, reasons: dict[str, str], at: str, indent: int) -> Iterator[str]:
    """Yield the lines of a section as an item of a list: its first setting has the dash."""
    dash = " " * (indent + 2)
    for line in _section(model, item, reasons, at, indent + 2):
        if line.startswith(dash) and not line.strip().startswith("#"):
            yield f"{' ' * indent}- {line[len(dash) :]}"
            dash = "\0"
        else:
            yield line


def _default(key: str, field: FieldInfo, reason: str | None, indent: int) -> Iterator[str]:
    """Yield the lines of a field at its default, commented out; for a section, with all its fields."""
    value = field.get_default(call_default_factory=True)
    about = _plain(reason or "") or _about(field)
    if isinstance(value, Section) and not value.model_fields_set:
        yield from _line(indent, f"{key}:", about, off=True)
        for name, inner in _settings(type(value)):
            yield from _default(inner.alias or name, inner, None, indent + 2)
    else:
        yield from _line(indent, f"{key}: {_flow(_dumped(value))}", about, off=True)


def _about(field: FieldInfo) -> str:
    """Return the schema's text about a field: its description, its choices, or the docstring of its section."""
    nested, kind = section_in(field.annotation), field.annotation
    choices = " | ".join(map(str, get_args(kind))) if get_origin(kind) is not None and not nested else ""
    if field.description or not nested:
        return field.description or (choices if str(kind).startswith("typing.Literal") else "")
    about = " ".join((inspect.getdoc(nested) or "").split("\n\n")[0].split())
    optional = field.get_default(call_default_factory=True) is None
    return f"{about} Its fields: {', '.join(name for name, _ in _settings(nested))}" if optional else about


def _line(indent: int, setting: str, about: str, off: bool = False) -> Iterator[str]:
    """Yield a setting with its comment beside it, or above it if the line would be long."""
    line, about = f"{'#' * off}{' ' * indent}{setting}", _plain(about)
    beside = f"{line:<{_COMMENTS_AT}}  # {about}" if about else line
    if len(beside) <= _WIDE:
        yield beside
        return
    margin = "# " if off else f"{' ' * indent}# "
    yield from _prose(about, margin)
    yield line


def _prose(text: str, margin: str) -> list[str]:
    """Return a comment, wrapped to lines."""
    wrapper = textwrap.TextWrapper(_WIDE, margin, margin, break_on_hyphens=False, break_long_words=False)
    return wrapper.wrap(_plain(text))


def _dumped(value: Any) -> Any:
    """Return a default as a value for YAML."""
    if isinstance(value, Section):
        return value.model_dump(mode="json", exclude_unset=True)
    return [_dumped(each) for each in value] if isinstance(value, list) else value


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, str) and "\n" in value:  # PyYAML would fold it over several lines
        return json.dumps(value, ensure_ascii=False)
    return yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10**9).strip()[1:-1]


def _plain(text: str) -> str:
    """Return text for a comment, without characters that end a line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
