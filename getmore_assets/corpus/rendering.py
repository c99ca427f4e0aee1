"""The text of a row that is a conversation, an instruction or a prompt with its answer: what a model is trained on.

Belongs here: values of columns as text, and templates of columns; pure functions on one row. Does not: reading, and
keeping the row itself (`payloads.py`).

A column's value is text as it stands, or messages: a list of objects, or one, each with a role (`role`, `from`,
`sender`, or `author`, which may be an object with a `role`) and what was said (`content` or `value`, else `text`).
Messages are rendered one below the other, in order, without the roles; of each its reasoning, its content and its tool
calls (as JSON). Of content in parts (a list, or an object with `parts` or `text`, as ChatGPT exports it), the parts of
text are rendered; images, audio and whatever else is no text is counted and left out.

Messages may be a tree (an object of nodes with `message`, `parent` and `children`): its text is the branch that ends
last, and the messages of other branches are counted. Text may come in pieces (a list of strings and objects with `type`
and `text`, as Telegram exports links and emphasis): they are put together as they stand.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from getmore_assets.config import TEMPLATE_COLUMN

_ROLES = ("role", "from", "sender", "author", "from_id")
_REASONING = ("reasoning_content", "reasoning", "thinking")  # before what is said, as chat templates render it
_SAID = ("content", "value")
_ELSE_SAID = "text"  # beside `content`, exports repeat it here
_CALLS = ("tool_calls", "function_call")  # a list of calls, and the one call that they came after
_LINKS = ("parent", "children")  # of the nodes of a tree
_OF_TEXT = ("text", "input_text", "output_text")


class NotTextError(ValueError):
    """A value is neither text nor messages; the message says which part of it, and why."""


@dataclass(frozen=True)
class Rendered:
    """The text of a row.

    Attributes:
        text: As it is embedded and trained on, not yet cleaned; blank where the row says nothing.
        left_out: How many parts of messages are no text (images, audio), and so are in the row alone.
        other_branches: How many messages are on branches of a tree that are not rendered.
    """

    text: str
    left_out: int = 0
    other_branches: int = 0


def render(row: Mapping[str, Any], text: str) -> Rendered:
    """The text of one row.

    Args:
        row: Its columns: strings, or lists and dicts as JSON has them. A column that it lacks is as one that is null.
        text: Of the task file: a column, or a template of columns. A line of a template whose columns are all blank in
            a row is left out of that row's text.

    Raises:
        NotTextError: A column that is named holds neither text nor messages.
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
    # What the template says around its columns is no row's text: with no column filled there is none.
    return Rendered("\n".join(lines) if _any_filled(row, text) else "", left_out, other_branches)


def value_text(value: Any, column: str) -> Rendered:
    """A column's value as text.

    Args:
        value: Text, also in pieces; messages, one message, or a tree of messages; or None.
        column: Its name, for the refusal.

    Raises:
        NotTextError: It is anything else.
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
    said: list[str] = []
    left_out = 0
    for number, message in enumerate(value, 1):
        try:
            parts = list(_message(message))
        except NotTextError as error:
            raise NotTextError(f"`{column}` holds a message that {error} (message {number})") from None
        said += [part for part in parts if part]
        left_out += parts.count(None)
    return Rendered("\n".join(said), left_out, other_branches)


def in_pieces(value: Any) -> str | None:
    """Text that is a list of strings and objects with `type` and `text`, put together; None where a value is none."""
    if not isinstance(value, list) or not any(isinstance(piece, Mapping) for piece in value):
        return None
    texts = [_piece(piece) for piece in value]
    return None if None in texts else "".join(filter(None, texts))


def could_be_messages(value: Any) -> bool:
    """Whether a value looks like messages or one message, whatever may be wrong with it."""
    if isinstance(value, Mapping):  # one message; an object with some content is none
        return _is_tree(value) or (_has(value, _ROLES) and _has(value, (*_SAID, *_CALLS)))
    several = value if isinstance(value, list) else []  # a notice, which has neither, may be the first
    return any(isinstance(one, Mapping) and _has(one, (*_ROLES, *_SAID)) for one in several)


def is_messages(value: Any) -> bool:
    """Whether a value is messages, or one message, that can be rendered."""
    if not isinstance(value, list | Mapping) or not value or in_pieces(value) is not None:
        return False
    try:
        value_text(value, "")
    except NotTextError:
        return False
    return True


def is_trainable(value: Any) -> bool:
    """Whether a value is a message in a trainer's form: a role in words, and what was said."""
    if not isinstance(value, Mapping) or not _has(value, _SAID) or not is_messages(value):
        return False
    return isinstance(value.get("role", value.get("from")), str)


def _has(value: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    return any(key in value for key in keys)


def _is_tree(value: Any) -> bool:
    """Whether a value is the nodes of a tree of messages, by id."""
    if not isinstance(value, Mapping) or not value:
        return False
    return all(isinstance(one, Mapping) and "message" in one and _has(one, _LINKS) for one in value.values())


def _last_branch(nodes: Mapping[str, Mapping[str, Any]]) -> tuple[list[Any], int]:
    """The messages of a tree from its root to the leaf that was written last, and how many there are beside them."""
    parents = {node.get("parent") for node in nodes.values()}
    leaves = [(_written(nodes[name]), at, name) for at, name in enumerate(nodes) if name not in parents]
    branch: dict[str, Any] = {}
    name: Any = max(leaves)[2] if leaves else None
    while name in nodes and name not in branch:
        branch[name] = nodes[name]["message"]
        name = nodes[name].get("parent")
    said = [message for message in reversed(branch.values()) if message is not None]
    return said, sum(node["message"] is not None for node in nodes.values()) - len(said)


def _written(node: Mapping[str, Any]) -> float:
    """When a node's message was written, in seconds; 0 where it does not say so."""
    message = node["message"]
    time = message.get("create_time") if isinstance(message, Mapping) else None
    return float(time) if isinstance(time, int | float) else 0.0


def _piece(piece: Any) -> str | None:
    """A piece of a text; None where it is none."""
    if isinstance(piece, Mapping) and isinstance(piece.get("type"), str):
        piece = piece.get("text")
    return piece if isinstance(piece, str) else None


def _any_filled(row: Mapping[str, Any], template: str) -> bool:
    return any(value_text(row.get(c), c).text.strip() for c in TEMPLATE_COLUMN.findall(template))


def _message(message: Any) -> Iterator[str | None]:
    """The texts of a message in order; None for a part that is no text.

    Raises:
        NotTextError: It is no message.
    """
    if not isinstance(message, Mapping):
        raise NotTextError(f"is {_named(message)}, not an object with a role and what was said")
    roles = [message[key] for key in _ROLES if message.get(key) is not None]
    role = roles[0].get("role") if roles and isinstance(roles[0], Mapping) else roles[0] if roles else None
    said = _SAID if any(message.get(key) is not None for key in _SAID) else (_ELSE_SAID,)
    if said == (_ELSE_SAID,) and message.get(_ELSE_SAID) == "" and not _has(message, (*_SAID, *_CALLS)):
        yield None  # a picture, or a notice that someone came: exports write them among what was said
        return
    if not isinstance(role, str) or not role.strip():
        raise NotTextError("has no role (`role` or `from`)")
    if not any(key in message for key in (*_SAID, _ELSE_SAID, *_CALLS)):
        raise NotTextError("says nothing: it has neither `content` nor `value`")
    for key in (*_REASONING, *said):
        yield from _content(message.get(key), key)
    several, one = (message.get(key) for key in _CALLS)
    if several is not None and not isinstance(several, list):
        raise NotTextError(f"has {_named(several)} in `{_CALLS[0]}`, not a list")
    for key, calls in zip(_CALLS, (several or [], [one] if one else []), strict=True):
        for call in calls:
            yield _call(call, key)


def _content(content: Any, key: str) -> Iterator[str | None]:
    """What was said: text, or a list of parts, of which those of text are."""
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
    if key == _ELSE_SAID and (pieces := in_pieces(content)) is not None:
        yield pieces
        return
    if not isinstance(content, list):
        raise NotTextError(f"has {_named(content)} in `{key}`, neither text nor a list of parts")
    for part in content:
        if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
            raise NotTextError(f"has a part in `{key}` without a type")
        if part["type"] not in _OF_TEXT:
            yield None
        elif not isinstance(part.get("text"), str):
            raise NotTextError(f"has a part of type `{part['type']}` in `{key}` that holds none")
        else:
            yield part["text"]


def _call(call: Any, key: str) -> str:
    """A call of a tool as JSON; columns that only other calls fill (Arrow's nulls) are left out."""
    try:
        return json.dumps(_filled(call), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotTextError(f"has a call in `{key}` that is no JSON ({error})") from None


def _filled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(one) for key, one in value.items() if one is not None}
    return [_filled(one) for one in value] if isinstance(value, list) else value


def _named(value: Any) -> str:
    """What kind of value it is, in words."""
    kinds = {bool: "a truth value", int: "a number", float: "a number", str: "text", bytes: "bytes", list: "a list"}
    if value is None:
        return "null"
    return "an object" if isinstance(value, Mapping) else kinds.get(type(value), f"a {type(value).__name__}")
