"""The shapes of rows that trainers take: messages, conversations, instructions, prompts with completions, preferences.

Belongs here: telling a row's shape from its columns and values. Does not: its text (`rendering.py`), or how trainers
are told of a shape (`exports/trainers.py`).

| name | columns |
|---|---|
| messages | one of messages with `role` and `content` |
| conversations | one of messages with `from` and `value` (ShareGPT) |
| chat-export | one of messages with any other keys, or a tree of them, which no trainer takes as they are |
| alpaca | `instruction`, `input` or `context`, `output` or `response` |
| prompt-completion | `prompt`, and `completion` or `response`: texts, or messages |
| preference | `chosen`, `rejected`, and mostly the prompt: `prompt`, `question` or messages |
| text | one of texts |
| template | columns of any other names |
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from getmore_assets.config import TEMPLATE_COLUMN
from getmore_assets.corpus.rendering import is_messages

Row = Mapping[str, Any]

CHAT_EXPORT = "chat-export"

_ASKED = ("prompt", "question", "instruction", "messages", "conversations", "conversation")
_ANSWERED = ("completion", "response")
_MORE, _DONE = ("input", "context"), ("output", "response")
_CHATS = ("messages", "conversations", "conversation", "dialog", "dialogue", "chat", "turns", "mapping")


@dataclass(frozen=True)
class Shape:
    """How rows are laid out.

    Attributes:
        name: One of the table above.
        columns: What plays which part: `messages`; `prompt`, `query` and `response`; `chosen` and `rejected`.
        keys: Of its messages: `role` and `content`, or `from` and `value`; None where it has texts alone.
        has: Columns beside those that say more to a trainer: `system`, `tools`, `images`.
        calls_tools: Whether some message calls a tool.
    """

    name: str
    columns: dict[str, str] = field(default_factory=dict)
    keys: tuple[str, str] | None = None
    has: tuple[str, ...] = ()
    calls_tools: bool = False


@dataclass(frozen=True)
class Recognised:
    """A shape that a table's columns have.

    Attributes:
        name: Of the shape.
        text: What to write into the task file: a column, or a template of columns.
    """

    name: str
    text: str

    @property
    def columns(self) -> list[str]:
        """The columns that the text is made of."""
        return list(dict.fromkeys(TEMPLATE_COLUMN.findall(self.text))) or [self.text]


def shape_of(texts: Sequence[str], rows: Sequence[Row]) -> Shape:
    """The shape of rows of one source.

    Args:
        texts: The columns that the source's text is made of, in their order.
        rows: By column; those that a row lacks are as null.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    chats = [column for column in texts if any(is_messages(row.get(column)) for row in rows)]
    columns, name = _parts(list(texts), chats, names)
    spoken = [m for column in {*columns.values()} for row in rows for m in _messages(row.get(column))]
    keys = None
    if chats:
        keys = ("from", "value") if any(m.get("from") is not None for m in spoken) else ("role", "content")
    if name == "messages" and keys:
        plain = all(all(isinstance(m.get(key), str | list | None) for key in keys) and m.get(keys[0]) for m in spoken)
        name = CHAT_EXPORT if not plain else "conversations" if keys == ("from", "value") else name
    has = tuple(n for n in ("system", "tools", "images") if n in names and n not in columns.values())
    return Shape(name, columns, keys, has, any(message.get("tool_calls") for message in spoken))


def recognise(rows: Sequence[Row]) -> Recognised | None:
    """The shape that most rows of a table have, by the names of their columns and what these hold, or None."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    texts = [n for n in names if _mostly(rows, n, _is_text)]
    chats = [n for n in names if _mostly(rows, n, is_messages)]
    both = [n for n in names if _mostly(rows, n, lambda value: _is_text(value) or is_messages(value))]
    if "chosen" in both and "rejected" in both:
        return Recognised("preference", _chosen(rows, both))
    asked, answered = _first(("prompt",), both), _first(_ANSWERED, both)
    if asked and answered:
        return Recognised("prompt-completion", _template(asked, answered))
    if chats:
        column = _first(_CHATS, chats) or chats[0]
        return Recognised(shape_of([column], rows).name, column)
    asked, done = _first(("instruction",), texts), _first(_DONE, texts)
    if asked and done:
        more = next((n for n in _MORE if any(_is_text(row.get(n)) and row[n].strip() for row in rows)), None)
        return Recognised("alpaca", _template(*filter(None, (asked, more, done))))
    return None


def _parts(texts: list[str], chats: list[str], names: Mapping[str, None]) -> tuple[dict[str, str], str]:
    """Which column plays which part, and the name of the shape."""
    if "chosen" in texts and "rejected" in names:
        before = [t for t in texts if t != "chosen"]
        prompt = {"messages" if before[0] in chats else "prompt": before[0]} if len(before) == 1 else {}
        return {**prompt, "chosen": "chosen", "rejected": "rejected"}, "preference"
    if texts[0] == "prompt" and len(texts) == 2 and texts[1] in _ANSWERED:
        return {"prompt": texts[0], "response": texts[1]}, "prompt-completion"
    told = [t for t in texts if t != "system"]
    if len(told) == 1:
        return ({"messages": told[0]}, "messages") if told == chats else ({"text": told[0]}, "text")
    asked, more, done = _first(("instruction",), texts), _first(_MORE, texts), _first(_DONE, texts)
    if asked and done and not chats and set(told) <= {asked, more, done}:
        return {"prompt": asked, **({"query": more} if more else {}), "response": done}, "alpaca"
    return {name: name for name in texts}, "template"


def _chosen(rows: Sequence[Row], columns: list[str]) -> str:
    """The text of a preference: the chosen answer, after its prompt where that stands in a column of its own."""
    asked = _first(_ASKED, columns)
    usable = [row for row in rows if _is_text(row.get("chosen")) or is_messages(row.get("chosen"))]
    whole = all(_holds_prompt(row["chosen"], row.get(asked) if asked else None) for row in usable)
    return "chosen" if not asked or whole else _template(asked, "chosen")


def _holds_prompt(chosen: Any, prompt: Any) -> bool:
    """Whether a chosen side begins with what was asked."""
    if isinstance(chosen, str):
        return isinstance(prompt, str) and chosen.startswith(prompt)
    return len(list(_messages(chosen))) > 1


def _messages(value: Any) -> Iterator[Row]:
    for message in [value] if isinstance(value, Mapping) else value if isinstance(value, list) else []:
        if isinstance(message, Mapping):
            yield message


def _mostly(rows: Sequence[Row], column: str, holds: Callable[[Any], bool]) -> bool:
    """Whether more than half of a column's values are of a kind: the others may be rows that are bad."""
    return 2 * sum(holds(row.get(column)) for row in rows) > len(rows)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _first(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _template(*columns: str) -> str:
    return "\n".join(f"{{{column}}}" for column in columns)
