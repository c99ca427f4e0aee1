"""The shapes of training rows: messages, conversations, instructions, prompts with completions, preferences.

Belongs here: recognising a shape by columns and values. Does not: the text (`rendering.py`), or trainers' settings
for a shape (`exports/trainers.py`).

| name | columns |
|---|---|
| messages | a column of messages with `role` and `content` |
| conversations | a column of messages with `from` and `value` (ShareGPT) |
| chat-export | a column of messages with other keys, or of message trees, which trainers cannot read |
| alpaca | `instruction`, `input` or `context`, `output` or `response` |
| prompt-completion | `prompt`, and `completion` or `response`: texts or messages |
| preference | `chosen`, `rejected`, and usually the prompt: `prompt`, `question` or messages |
| text | a column of texts |
| template | columns of any other names |
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from getmore_assets.config import TEMPLATE_COLUMN
from getmore_assets.corpus.rendering import is_messages

Row = Mapping[str, Any]

CHAT_EXPORT = "chat-export"

_PROMPTS = ("prompt", "question", "instruction", "messages", "conversations", "conversation")
_COMPLETIONS = ("completion", "response")
_INPUTS, _OUTPUTS = ("input", "context"), ("output", "response")  # of alpaca
_CHATS = ("messages", "conversations", "conversation", "dialog", "dialogue", "chat", "turns", "mapping")


@dataclass(frozen=True)
class Shape:
    """The shape of a source's rows.

    Attributes:
        name: A name in the table above.
        columns: The column of each role: `messages`; `prompt`, `query` and `response`; `chosen` and `rejected`.
        keys: The keys of the messages: `role` and `content`, or `from` and `value`; None without messages.
        has: Further columns that trainers use: `system`, `tools`, `images`.
        calls_tools: Whether some message calls a tool.
    """

    name: str
    columns: dict[str, str] = field(default_factory=dict)
    keys: tuple[str, str] | None = None
    has: tuple[str, ...] = ()
    calls_tools: bool = False


@dataclass(frozen=True)
class Recognised:
    """The recognised shape of a table.

    Attributes:
        name: The name of the shape.
        text: `text` for the task file: a column, or a template of columns.
    """

    name: str
    text: str

    @property
    def columns(self) -> list[str]:
        """The columns of the text."""
        return list(dict.fromkeys(TEMPLATE_COLUMN.findall(self.text))) or [self.text]


def shape_of(texts: Sequence[str], rows: Sequence[Row]) -> Shape:
    """Return the shape of rows of one source.

    Args:
        texts: The columns of the source's text, in order.
        rows: The rows by column; missing columns are null.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    chats = [column for column in texts if any(is_messages(row.get(column)) for row in rows)]
    columns, name = _roles(list(texts), chats, names)
    messages = [m for column in {*columns.values()} for row in rows for m in _messages(row.get(column))]
    keys = None
    if chats:
        keys = ("from", "value") if any(m.get("from") is not None for m in messages) else ("role", "content")
    if name == "messages" and keys:
        plain = all(all(isinstance(m.get(key), str | list | None) for key in keys) and m.get(keys[0]) for m in messages)
        name = CHAT_EXPORT if not plain else "conversations" if keys == ("from", "value") else name
    has = tuple(n for n in ("system", "tools", "images") if n in names and n not in columns.values())
    return Shape(name, columns, keys, has, any(message.get("tool_calls") for message in messages))


def recognise(rows: Sequence[Row]) -> Recognised | None:
    """Return the shape of most rows of a table, by names and values of the columns, or None."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    texts = [n for n in names if _mostly(rows, n, _is_text)]
    chats = [n for n in names if _mostly(rows, n, is_messages)]
    both = [n for n in names if _mostly(rows, n, lambda value: _is_text(value) or is_messages(value))]
    if "chosen" in both and "rejected" in both:
        return Recognised("preference", _chosen(rows, both))
    prompt, completion = _first(("prompt",), both), _first(_COMPLETIONS, both)
    if prompt and completion:
        return Recognised("prompt-completion", _template(prompt, completion))
    if chats:
        column = _first(_CHATS, chats) or chats[0]
        return Recognised(shape_of([column], rows).name, column)
    instruction, output = _first(("instruction",), texts), _first(_OUTPUTS, texts)
    if instruction and output:
        input_ = next((n for n in _INPUTS if any(_is_text(row.get(n)) and row[n].strip() for row in rows)), None)
        return Recognised("alpaca", _template(*filter(None, (instruction, input_, output))))
    return None


def _roles(texts: list[str], chats: list[str], names: Mapping[str, None]) -> tuple[dict[str, str], str]:
    """Return the column of each role, and the name of the shape."""
    if "chosen" in texts and "rejected" in names:
        before = [t for t in texts if t != "chosen"]
        prompt = {"messages" if before[0] in chats else "prompt": before[0]} if len(before) == 1 else {}
        return {**prompt, "chosen": "chosen", "rejected": "rejected"}, "preference"
    if texts[0] == "prompt" and len(texts) == 2 and texts[1] in _COMPLETIONS:
        return {"prompt": texts[0], "response": texts[1]}, "prompt-completion"
    others = [t for t in texts if t != "system"]
    if len(others) == 1:
        return ({"messages": others[0]}, "messages") if others == chats else ({"text": others[0]}, "text")
    instruction, input_, output = _first(("instruction",), texts), _first(_INPUTS, texts), _first(_OUTPUTS, texts)
    if instruction and output and not chats and set(others) <= {instruction, input_, output}:
        return {"prompt": instruction, **({"query": input_} if input_ else {}), "response": output}, "alpaca"
    return {name: name for name in texts}, "template"


def _chosen(rows: Sequence[Row], columns: list[str]) -> str:
    """Return the text of a preference: the chosen answer, after the prompt if the prompt has its own column."""
    prompt = _first(_PROMPTS, columns)
    usable = [row for row in rows if _is_text(row.get("chosen")) or is_messages(row.get("chosen"))]
    whole = all(_has_prompt(row["chosen"], row.get(prompt) if prompt else None) for row in usable)
    return "chosen" if not prompt or whole else _template(prompt, "chosen")


def _has_prompt(chosen: Any, prompt: Any) -> bool:
    """Return whether a chosen answer begins with the prompt."""
    if isinstance(chosen, str):
        return isinstance(prompt, str) and chosen.startswith(prompt)
    return len(list(_messages(chosen))) > 1


def _messages(value: Any) -> Iterator[Row]:
    for message in [value] if isinstance(value, Mapping) else value if isinstance(value, list) else []:
        if isinstance(message, Mapping):
            yield message


def _mostly(rows: Sequence[Row], column: str, holds: Callable[[Any], bool]) -> bool:
    """Return whether more than half of a column's values satisfy a condition; other rows may be bad."""
    return 2 * sum(holds(row.get(column)) for row in rows) > len(rows)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _first(options: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in options if name in names), None)


def _template(*columns: str) -> str:
    return "\n".join(f"{{{column}}}" for column in columns)
