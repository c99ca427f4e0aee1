"""Rendering the text of a row: a conversation, an instruction, or a prompt with its completion.

Belongs here: values of columns as text, and templates of columns; pure functions on one row. Does not: reading, or
storing the row (`payloads.py`).

A column's value is text or messages. Messages are a list of objects, or one object, each with a role (`role`, `from`,
`sender`, or `author`, which may be an object with a `role`) and a content (`content` or `value`, else `text`). They are
rendered in order, on separate lines, without roles: reasoning, content, and tool calls (as JSON). For content in parts
(a list, or an object with `parts` or `text`, as ChatGPT exports it), text parts are rendered; images, audio and other
parts are counted and left out.

Messages may be a tree (an object of nodes with `message`, `parent` and `children`): the branch with the latest leaf is
rendered, and messages of other branches are counted. Text may come in pieces (a list of strings and objects with `type`
and `text`, as Telegram exports links and emphasis), which are joined.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from getmore_assets.config import TEMPLATE_COLUMN

_ROLES = ("role", "from", "sender", "author", "from_id")
_REASONING = ("reasoning_content", "reasoning", "thinking")  # before the content, as chat templates render it
_CONTENT = ("content", "value")
_TEXT = "text"  # the content if there is no other key; exports with `content` repeat the content here
_CALLS = ("tool_calls", "function_call")  # a list of calls, and the older key for one call
_LINKS = ("parent", "children")  # of the nodes of a tree
_TEXT_TYPES = ("text", "input_text", "output_text")


class NotTextError(ValueError):
    """Raised for a value that is neither text nor messages."""


@dataclass(frozen=True)
class Rendered:
    """The text of a row.

    Attributes:
        text: The text to embed and train on, before cleaning; blank for a row without text.
        left_out: Number of parts of messages that are no text (images, audio).
        other_branches: Number of messages on branches of a tree that are not rendered.
    """

    text: str
    left_out: int = 0
    other_branches: int = 0


def render(row: Mapping[str, Any], text: str) -> Rendered:
    """Render the text of one row.

    Args:
        row: The row by column: strings, or lists and dicts as in JSON. A missing column is null.
        text: `text` of the task file: a column, or a template of columns. A line of the template is left out of the
            text if its columns are all blank.

    Raises:
        NotTextError: A column has neither text nor messages.
    """
    if not TEMPLATE_COLUMN.search(text):
        return value_text(row.get(text), text)
    lines, left_out, other_branches = [], 0, 0
    for line in text.split("\n"):
        columns = list(dict.fromkeys(TEMPLATE_COLUMN.findall(line)))
        values = {column: value_text(row.get(column), column) for column in columns}
        if columns and not any(value.text.strip() for value in values.values()):
            continue
        left_out += sum(value.left_out for value in values.values())
        other_branches += sum(value.other_branches for value in values.values())
        lines.append(TEMPLATE_COLUMN.sub(lambda found, of=values: of[found[1]].text, line))  # type: ignore[misc]
    # A template whose columns are all blank has no text, whatever words it has around its columns.
    return Rendered("\n".join(lines) if _any_filled(row, text) else "", left_out, other_branches)


def value_text(value: Any, column: str) -> Rendered:
    """Render a column's value.

    Args:
        value: Text, also in pieces; messages, one message, or a tree of messages; or None.
        column: The name of the column, for the error.

    Raises:
        NotTextError: The value is anything else.
    """
    if value is None or isinstance(value, str):
        return Rendered(value or "")
    if (pieces := in_pieces(value)) is not None:
        return Rendered(pieces)
    other_branches = 0
    if _is_tree(value):
        value, other_branches = _last_branch(value)
    elif isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list):
        raise NotTextError(f"`{column}` holds {_named(value)}, neither text nor messages")
    texts: list[str] = []
    left_out = 0
    for number, message in enumerate(value, 1):
        try:
            parts = list(_message(message))
        except NotTextError as error:
            raise NotTextError(f"`{column}` holds a message that {error} (message {number})") from None
        texts += [part for part in parts if part]
        left_out += parts.count(None)
    return Rendered("\n".join(texts), left_out, other_branches)


def in_pieces(value: Any) -> str | None:
    """Join a text in pieces (a list of strings and objects with `type` and `text`); None for another value."""
    if not isinstance(value, list) or not any(isinstance(piece, Mapping) for piece in value):
        return None
    texts = [_piece(piece) for piece in value]
    return None if None in texts else "".join(filter(None, texts))


def could_be_messages(value: Any) -> bool:
    """Return whether a value looks like messages or one message, valid or not."""
    if isinstance(value, Mapping):  # one message needs a role, as other objects may have a `content`
        return _is_tree(value) or (_has(value, _ROLES) and _has(value, (*_CONTENT, *_CALLS)))
    items = value if isinstance(value, list) else []  # the first may be a notice, without role and content
    return any(isinstance(item, Mapping) and _has(item, (*_ROLES, *_CONTENT)) for item in items)


def is_messages(value: Any) -> bool:
    """Return whether a value is messages, or one message, that can be rendered."""
    if not isinstance(value, list | Mapping) or not value or in_pieces(value) is not None:
        return False
    try:
        value_text(value, "")
    except NotTextError:
        return False
    return True


def is_trainable(value: Any) -> bool:
    """Return whether a value is a message as trainers read it: a string as role, and a content."""
    if not isinstance(value, Mapping) or not _has(value, _CONTENT) or not is_messages(value):
        return False
    return isinstance(value.get("role", value.get("from")), str)


def _has(value: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    return any(key in value for key in keys)


def _is_tree(value: Any) -> bool:
    """Return whether a value is the nodes of a tree of messages, by id."""
    if not isinstance(value, Mapping) or not value:
        return False
    return all(isinstance(node, Mapping) and "message" in node and _has(node, _LINKS) for node in value.values())


def _last_branch(nodes: Mapping[str, Mapping[str, Any]]) -> tuple[list[Any], int]:
    """Return the messages from the root of a tree to its latest leaf, and the number of other messages."""
    parents = {node.get("parent") for node in nodes.values()}
    leaves = [(_time(nodes[name]), at, name) for at, name in enumerate(nodes) if name not in parents]
    branch: dict[str, Any] = {}
    name: Any = max(leaves)[2] if leaves else None
    while name in nodes and name not in branch:
        branch[name] = nodes[name]["message"]
        name = nodes[name].get("parent")
    messages = [message for message in reversed(branch.values()) if message is not None]
    return messages, sum(node["message"] is not None for node in nodes.values()) - len(messages)


def _time(node: Mapping[str, Any]) -> float:
    """Return the time of a node's message in seconds; 0 if it has none."""
    message = node["message"]
    time = message.get("create_time") if isinstance(message, Mapping) else None
    return float(time) if isinstance(time, int | float) else 0.0


def _piece(piece: Any) -> str | None:
    """Return the text of a piece; None for another value."""
    if isinstance(piece, Mapping) and isinstance(piece.get("type"), str):
        piece = piece.get("text")
    return piece if isinstance(piece, str) else None


def _any_filled(row: Mapping[str, Any], template: str) -> bool:
    return any(value_text(row.get(c), c).text.strip() for c in TEMPLATE_COLUMN.findall(template))


def _message(message: Any) -> Iterator[str | None]:
    """Yield the texts of a message in order; None for a part that is no text.

    Raises:
        NotTextError: The value is no message.
    """
    if not isinstance(message, Mapping):
        raise NotTextError(f"is {_named(message)}, not an object with a role and a content")
    roles = [message[key] for key in _ROLES if message.get(key) is not None]
    role = roles[0].get("role") if roles and isinstance(roles[0], Mapping) else roles[0] if roles else None
    keys = _CONTENT if any(message.get(key) is not None for key in _CONTENT) else (_TEXT,)
    if keys == (_TEXT,) and message.get(_TEXT) == "" and not _has(message, (*_CONTENT, *_CALLS)):
        yield None  # a picture, or a notice that someone joined, which exports write among the messages
        return
    if not isinstance(role, str) or not role.strip():
        raise NotTextError("has no role (`role` or `from`)")
    if not any(key in message for key in (*_CONTENT, _TEXT, *_CALLS)):
        raise NotTextError("says nothing: it has neither `content` nor `value`")
    for key in (*_REASONING, *keys):
        yield from _content(message.get(key), key)
    calls, call = (message.get(key) for key in _CALLS)
    if calls is not None and not isinstance(calls, list):
        raise NotTextError(f"has {_named(calls)} in `{_CALLS[0]}`, not a list")
    yield from (_call(each, _CALLS[0]) for each in calls or [])
    if call:
        yield _call(call, _CALLS[1])


def _content(content: Any, key: str) -> Iterator[str | None]:
    """Yield the texts of a content; None for a part that is no text."""
    if content is None:
        return
    if isinstance(content, str):
        yield content
        return
    if isinstance(content, Mapping) and isinstance(content.get("parts"), list):
        yield from (part if isinstance(part, str) else None for part in content["parts"])
        return
    if isinstance(content, Mapping) and isinstance(content.get("content_type"), str):
        yield content["text"] if isinstance(content.get("text"), str) else None
        return
    if key == _TEXT and (pieces := in_pieces(content)) is not None:
        yield pieces
        return
    if not isinstance(content, list):
        raise NotTextError(f"has {_named(content)} in `{key}`, neither text nor a list of parts")
    for part in content:
        if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
            raise NotTextError(f"has a part in `{key}` without a type")
        if part["type"] not in _TEXT_TYPES:
            yield None
        elif not isinstance(part.get("text"), str):
            raise NotTextError(f"has a part of type `{part['type']}` in `{key}` without text")
        else:
            yield part["text"]


def _call(call: Any, key: str) -> str:
    """Return a tool call as JSON without nulls, which Arrow adds for the fields of other calls."""
    try:
        return json.dumps(_filled(call), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotTextError(f"has a call in `{key}` that is no JSON ({error})") from None


def _filled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(item) for key, item in value.items() if item is not None}
    return [_filled(item) for item in value] if isinstance(value, list) else value


def _named(value: Any) -> str:
    """Return the type of a value, for messages."""
    kinds = {bool: "a truth value", int: "a number", float: "a number", str: "text", bytes: "bytes", list: "a list"}
    if value is None:
        return "null"
    return "an object" if isinstance(value, Mapping) else kinds.get(type(value), f"a {type(value).__name__}")
