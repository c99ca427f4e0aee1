"""Files that are one JSON value, such as exports of chats and web services: each element of its list is a row.

Belongs here: finding the list, and splitting it into elements in bounded memory. Does not: decoding elements
(`json_lines.py`).

The file is a list of objects, or an object in which one list of objects (`messages`, or `chats.list`) takes more than
half of the bytes. An object whose list is a conversation with roles, as trainers read it, is one row.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from getmore_assets.corpus.lines import LONGEST_ROW, OPENERS, TOO_LONG, Line, decoded, reading_to_its_end, stream_of
from getmore_assets.corpus.rendering import is_trainable
from getmore_assets.errors import BadInput

_PIECE = 2**16  # bytes
_LONGEST_KEY = 1024  # bytes, with quotes, colon and white space
_LIST = re.compile(rb"^(?:\xef\xbb\xbf)?\s*\[\s*\{")
_OBJECT = re.compile(rb"^(?:\xef\xbb\xbf)?\s*\{")
_Token = tuple[
    bytes, bytes, memoryview
]  # the bytes before a bracket or comma, the bracket or comma, the bytes after it
_OPENS, _CLOSES = (b"[", b"{"), (b"]", b"}")
_OUTSIDE, _INSIDE = re.compile(rb'["{}\[\],]'), re.compile(rb'["\\]')  # outside and inside of strings
_BREAKS = re.compile(rb"\s*[\r\n]\s*")  # line ends are only between values, because strings of JSON escape line ends


@dataclass(frozen=True)
class JsonList:
    """The location of the rows in a file that is one JSON value.

    Attributes:
        keys: The keys from the outer object to the list; empty if the file is a list, or one row.
        is_one: Whether the file is an object that is one row.
        beside: Number of objects in other lists, which are not read, by dotted keys.
    """

    keys: tuple[str, ...] = ()
    is_one: bool = False
    beside: Counter[str] = field(default_factory=Counter)


def rows_of(path: Path) -> JsonList | None:
    """Return the location of the rows in a file that is one JSON value; None if the rows are lines.

    Raises:
        BadInput: The file cannot be opened or read.
    """
    state = path.stat()
    return _rows_of(path, state.st_size, state.st_mtime_ns)


def elements(path: Path, rows: JsonList) -> Iterator[Line]:
    """Yield each row of a file that is one JSON value as a line; the line's number is the row's position, from 1.

    Raises:
        BadInput: The file is cut off, or something follows the list.
    """
    with stream_of(path) as stream, reading_to_its_end(path):
        for number, element in enumerate(_rows(stream, path, rows), 1):
            if element is None:
                yield Line(number, "", TOO_LONG)
            else:
                yield decoded(number, _BREAKS.sub(b" ", element.strip()))


@lru_cache(maxsize=1024)
def _rows_of(path: Path, _size: int, _changed_ns: int) -> JsonList | None:
    with stream_of(path) as stream, reading_to_its_end(path):
        start = stream.peek(_PIECE)
        if _LIST.match(start):
            return JsonList()
        outer = _object(stream) if _OBJECT.match(start) else None
    if outer is None or not outer.is_all or not outer.lists:
        return None
    keys = max(outer.lists, key=lambda keys: outer.lists[keys].size)
    beside = Counter({".".join(other): outer.lists[other].objects for other in outer.lists if other != keys})
    on_one_line = not outer.is_broken
    if 2 * outer.lists[keys].size <= outer.size or (on_one_line and _is_lines(path)):
        return None
    if is_trainable(_first(path, JsonList(keys))):
        return None if on_one_line else JsonList(is_one=True)
    return JsonList(keys, beside=beside)


def _is_lines(path: Path) -> bool:
    """Return whether a file's name says that each line is a row."""
    return [suffix for suffix in path.suffixes if suffix not in OPENERS][-1:] != [".json"]


def _first(path: Path, rows: JsonList) -> Any:
    """Return the first element of a list; None if it is not JSON."""
    try:
        return json.loads(next(elements(path, rows)).text)
    except (ValueError, RecursionError):
        return None


def _rows(stream: Any, path: Path, rows: JsonList) -> Iterator[bytes | None]:
    """Yield the bytes of each row; None for a row that is too long."""
    if rows.is_one:
        whole = stream.read(LONGEST_ROW + 1)
        yield whole if len(whole) <= LONGEST_ROW else None
    elif rows.keys:
        yield from _split((token for keys, token in _with_keys(_tokens(stream)) if keys == rows.keys), path)
    else:
        yield from _split(_tokens(stream), path, stream)


@dataclass
class _List:
    """A list of objects within an object: its size in bytes, and its number of objects."""

    size: int = 0
    objects: int = 0


@dataclass(frozen=True)
class _Object:
    """The object that a file begins with.

    Attributes:
        lists: The outermost lists of objects, by their keys.
        size: Size in bytes.
        is_broken: Whether the object has line breaks.
        is_all: Whether nothing follows the object.
    """

    lists: dict[tuple[str, ...], _List]
    size: int
    is_broken: bool
    is_all: bool


def _object(stream: Any) -> _Object | None:
    """Read the object that a file begins with; None if it is not closed."""
    lists: dict[tuple[str, ...], _List] = {}
    size, depth, is_broken = 0, 0, False
    for keys, (before, sign, rest) in _with_keys(_tokens(stream)):
        size += len(before) + len(sign)
        is_broken = is_broken or b"\n" in before or b"\r" in before
        depth += (sign in _OPENS) - (sign in _CLOSES)
        if keys is not None:
            each = lists.setdefault(keys, _List())
            each.size += len(before) + len(sign)
            each.objects += sign == b"{" and depth == len(keys) + 2
        elif depth == 0 and sign in _CLOSES:
            is_all = not (bytes(rest).strip() or stream.read(_PIECE).strip())
            return _Object({keys: each for keys, each in lists.items() if each.objects}, size, is_broken, is_all)
    return None


def _with_keys(tokens: Iterator[_Token]) -> Iterator[tuple[tuple[str, ...] | None, _Token]]:
    """Yield the tokens of an object, each with the keys of the list around it; None outside of lists."""
    text, keys, depth_in_list = bytearray(), list[str](), 0
    for token in tokens:
        before, sign, _ = token
        if depth_in_list:
            depth_in_list += (sign in _OPENS) - (sign in _CLOSES)
            yield tuple(keys[1:]), token
            if not depth_in_list:
                keys.pop()
            continue
        text = (text + before)[-_LONGEST_KEY:]
        if sign in _OPENS:
            keys.append(_key(text))
            depth_in_list = int(sign == b"[")
        elif sign in _CLOSES and keys:
            keys.pop()
        if sign:
            text.clear()
        yield tuple(keys[1:]) if depth_in_list else None, token


def _key(text: bytearray) -> str:
    """Return the key in the text before a value."""
    try:
        return str(json.loads(text.strip().removesuffix(b":")))
    except ValueError:
        return ""


def _split(tokens: Iterable[_Token], path: Path, stream: Any = None) -> Iterator[bytes | None]:
    """Yield the bytes of each element of a list; None for an element that is too long, which is not kept in memory.

    With `stream`, the file must end with the list.
    """
    element, depth, too_long = bytearray(), 0, False
    for before, sign, rest in tokens:
        depth += (sign in _OPENS) - (sign in _CLOSES)
        ends = depth == 0 and sign in _CLOSES
        if ends or (depth == 1 and sign == b","):
            element += before
            if sign == b"," or element.strip() or too_long:
                yield None if too_long or len(element) > LONGEST_ROW else bytes(element)
            element, too_long = bytearray(), False
        elif depth > 1 or sign != b"[":
            element += before + sign if depth else b""
        if ends:
            if stream is not None:
                _refuse_more(bytes(rest), stream, path)
            return
        if len(element) > LONGEST_ROW:
            element, too_long = bytearray(), True
    raise BadInput(str(path), "is a JSON list that is not closed", "Copy or export the file again")


def _tokens(stream: Any) -> Iterator[_Token]:
    """Yield the brackets and commas outside of strings; at the end of each piece read, a token with an empty sign."""
    inside = escaped = False
    while piece := stream.read(_PIECE):
        start, at, escaped = 0, int(escaped), False
        while match := (_INSIDE if inside else _OUTSIDE).search(piece, at):
            at = match.end()
            if match[0] == b"\\":
                escaped = at == len(piece)
                at += 1
            elif match[0] == b'"':
                inside = not inside
            else:
                yield piece[start : match.start()], match[0], memoryview(piece)[at:]
                start = at
        yield piece[start:], b"", memoryview(b"")


def _refuse_more(rest: bytes, stream: Any, path: Path) -> None:
    """Require that a file ends with its list.

    Raises:
        BadInput: Something follows the list.
    """
    if rest.strip() or stream.read(_PIECE).strip():
        what = "goes on after its list of JSON"
        raise BadInput(str(path), what, "Write one list, or one object per line")
