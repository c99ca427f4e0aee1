"""Write the pages that are generated from the code: settings, commands, Python.

    python -m docs.generate

Belongs here: turning schema, commands and docstrings into Markdown. A test fails if the pages are out of date.
"""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any, get_args, get_origin

import click
import yaml
from pydantic.fields import FieldInfo

from getmore_assets.cli import COMMANDS, main
from getmore_assets.config import BASE, Section, Task
from getmore_assets.task_parsing import section_in

HERE = Path(__file__).parent


def settings() -> str:
    """Return the page with every field of a task file."""
    lines = [
        "# Settings",
        "",
        "For whoever writes a task file: every field with default and meaning. Written by `python -m docs.generate`",
        "from the schema. A field that is a section links to it.",
        "",
    ]
    seen: list[type[Section]] = []
    waiting: list[type[Section]] = [Task]
    while waiting:
        model = waiting.pop(0)
        if model in seen:
            continue
        seen.append(model)
        lines += [f"## {_title(model)}", "", _first(inspect.getdoc(model) or ""), ""]
        lines += ["| field | default | |", "|---|---|---|"]
        for name, field in model.model_fields.items():
            if name == BASE:
                continue
            nested = section_in(field.annotation)
            if nested and nested not in seen:
                waiting.append(nested)
            lines.append(f"| `{field.alias or name}` | {_default(field)} | {_about(field, nested)} |")
        lines.append("")
    return "\n".join(lines)


def _title(model: type[Section]) -> str:
    return "A task file" if model is Task else model.__name__


def _first(doc: str) -> str:
    return " ".join(doc.split("\n\n", maxsplit=1)[0].split())


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value: Any = field.get_default(call_default_factory=True)
    if isinstance(value, Section):
        value = value.model_dump(mode="json", exclude_unset=True)
        if not value:
            return ""
    if isinstance(value, list):
        value = [v.model_dump(mode="json", exclude_unset=True) if isinstance(v, Section) else v for v in value]
    if value is None:
        return "none"
    return f"`{yaml.safe_dump([value], default_flow_style=True, width=10**9).strip()[1:-1]}`"


def _about(field: FieldInfo, nested: type[Section] | None) -> str:
    description = (field.description or "").replace("|", "\\|").replace("\n", " ")
    kind = field.annotation
    choices = [c for c in get_args(kind) if isinstance(c, str)] if get_origin(kind) is not None and not nested else []
    parts = [description, " \\| ".join(f"`{choice}`" for choice in choices)]
    if nested:
        parts.append(f"[{_title(nested)}](#{_title(nested).lower().replace(' ', '-')})")
    return "; ".join(part for part in parts if part)


def commands() -> str:
    """Return the page with every command and its options."""
    lines = [
        "# Commands",
        "",
        "For whoever looks for an option. Written by `python -m docs.generate` from the help of the commands.",
        "",
        _help(main.help or "").replace("\b", ""),
        "",
    ]
    for verb in COMMANDS:
        command = main.get_command(click.Context(main), verb)
        assert command is not None
        context = click.Context(command, info_name=verb, parent=click.Context(main, info_name="getmore"))
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        lines += [f"## {verb}", "", "```text", usage, "```", "", _help(command.help or ""), ""]
        lines += ["| option | |", "|---|---|"]
        for option in command.params:
            if isinstance(option, click.Option):
                names = ", ".join(f"`{name}`" for name in option.opts)
                lines.append(f"| {names} | {(option.help or '').replace('|', chr(92) + '|')} |")
        lines.append("")
    return "\n".join(lines)


def _help(text: str) -> str:
    return re.sub(r"[ \t]+\n", "\n", inspect.cleandoc(text))


#: The public functions and classes, by module.
_PYTHON = {
    "getmore_assets": [
        *("select", "compare", "explain", "embed", "solve"),
        *("Selection", "Comparison", "build_definitions", "GetmoreComponent"),
    ],
    "getmore_assets.task_parsing": ["load_task", "changed"],
    "getmore_assets.records": ["Records", "Record"],
    "getmore_assets.lake": ["Lake", "TableRef"],
    "getmore_assets.exports.formats": ["export"],
    "getmore_assets.selection.selectors": ["rank"],
    "getmore_assets.selection.explain": ["of_task"],
    "getmore_assets.errors": ["BadInput"],
}


def api() -> str:
    """Return the page with the public functions and classes."""
    lines = [
        "# Python",
        "",
        "For whoever calls the library. Written by `python -m docs.generate` from the docstrings.",
        "",
    ]
    for module, names in _PYTHON.items():
        lines += [f"## {module}", ""]
        for name in names:
            of = getattr(importlib.import_module(module), name)
            lines += [f"### {name}", "", "```python", f"{name}{inspect.signature(of)}", "```", ""]
            lines += ["```text", inspect.getdoc(of) or "", "```", ""]
            if inspect.isclass(of):
                methods = {n: f for n, f in vars(of).items() if not n.startswith("_") and inspect.isfunction(f)}
                lines += ["| method | |", "|---|---|"] if methods else []
                lines += [
                    f"| `{n}{inspect.signature(f)}` | {_first(inspect.getdoc(f) or '')} |" for n, f in methods.items()
                ]
                lines.append("")
    return "\n".join(lines)


PAGES = {"settings.md": settings, "commands.md": commands, "api.md": api}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (HERE / name).write_text(write().rstrip("\n") + "\n", "utf-8")
