"""Files that are one value of JSON, as exports of chats and of web services are: a row an element of its list.

Belongs here: finding the list, and where an element ends, in pieces of bounded size. Does not: decoding elements
(`json_lines.py`).

The file is a list of objects, or an object with one list of objects (`messages`, or `chats.list`) that takes more than
half of its bytes. An object whose list is a conversation with roles, as trainers read it, is one row.
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
_LONGEST_KEY = 1024  # bytes, with what stands around it
_LIST = re.compile(rb"^(?:\xef\xbb\xbf)?\s*\[\s*\{")
_OBJECT = re.compile(rb"^(?:\xef\xbb\xbf)?\s*\{")
_Sign = tuple[bytes, bytes, memoryview]  # what stands before it, a bracket or comma, what follows it
_OPENS, _CLOSES = (b"[", b"{"), (b"]", b"}")
_OUTSIDE, _INSIDE = re.compile(rb'["{}\[\],]'), re.compile(rb'["\\]')
_BREAKS = re.compile(rb"\s*[\r\n]\s*")  # no string of JSON holds one as it stands, so they lie between values


@dataclass(frozen=True)
class JsonList:
    """Where the rows of a file are that is one value of JSON.

    Attributes:
        keys: From the outer object to its list; empty where the file is a list, or an object that is one row.
        is_one: Whether the file is an object that is one row.
        beside: Objects in other lists, which are not read, by dotted keys.
    """

    keys: tuple[str, ...] = ()
    is_one: bool = False
    beside: Counter[str] = field(default_factory=Counter)


def rows_of(path: Path) -> JsonList | None:
    """Where the rows of a file are that is one value of JSON; None where its rows are lines.

    Raises:
        BadInput: It cannot be opened or read.
    """
    seen = path.stat()
    return _rows_of(path, seen.st_size, seen.st_mtime_ns)


def elements(path: Path, rows: JsonList) -> Iterator[Line]:
    """Yield each row of a file that is one value of JSON, on one line; its number is its place in the list, from 1.

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
        begins = stream.peek(_PIECE)
        if _LIST.match(begins):
            return JsonList()
        found = _object(stream) if _OBJECT.match(begins) else None
    if found is None or not found.is_all or not found.lists:
        return None
    keys = max(found.lists, key=lambda one: found.lists[one].size)
    beside = Counter({".".join(one): found.lists[one].objects for one in found.lists if one != keys})
    on_one_line = not found.is_broken
    if 2 * found.lists[keys].size <= found.size or (on_one_line and _is_lines(path)):
        return None
    if is_trainable(_first(path, JsonList(keys))):
        return None if on_one_line else JsonList(is_one=True)
    return JsonList(keys, beside=beside)


def _is_lines(path: Path) -> bool:
    """Whether a file's name says that each of its lines is a row."""
    return [suffix for suffix in path.suffixes if suffix not in OPENERS][-1:] != [".json"]


def _first(path: Path, rows: JsonList) -> Any:
    """The first element of a list; None where it is no JSON."""
    try:
        return json.loads(next(elements(path, rows)).text)
    except (ValueError, RecursionError):
        return None


def _rows(stream: Any, path: Path, rows: JsonList) -> Iterator[bytes | None]:
    """The bytes of each row; None in the place of one that is too long."""
    if rows.is_one:
        whole = stream.read(LONGEST_ROW + 1)
        yield whole if len(whole) <= LONGEST_ROW else None
    elif rows.keys:
        yield from _parts((signs for keys, signs in _placed(_signs(stream)) if keys == rows.keys), path)
    else:
        yield from _parts(_signs(stream), path, stream)


@dataclass
class _List:
    """A list of objects within an object: its bytes, and how many objects are in it."""

    size: int = 0
    objects: int = 0


@dataclass(frozen=True)
class _Object:
    """The object that a file begins with.

    Attributes:
        lists: Its lists of objects that are in no other list, by their keys.
        size: Its bytes.
        is_broken: Whether it goes over several lines.
        is_all: Whether nothing follows it.
    """

    lists: dict[tuple[str, ...], _List]
    size: int
    is_broken: bool
    is_all: bool


def _object(stream: Any) -> _Object | None:
    """Read the object that a file begins with; None where it is not closed."""
    lists: dict[tuple[str, ...], _List] = {}
    size, depth, is_broken = 0, 0, False
    for keys, (before, sign, rest) in _placed(_signs(stream)):
        size += len(before) + len(sign)
        is_broken = is_broken or b"\n" in before or b"\r" in before
        depth += (sign in _OPENS) - (sign in _CLOSES)
        if keys is not None:
            found = lists.setdefault(keys, _List())
            found.size += len(before) + len(sign)
            found.objects += sign == b"{" and depth == len(keys) + 2
        elif depth == 0 and sign in _CLOSES:
            is_all = not (bytes(rest).strip() or stream.read(_PIECE).strip())
            return _Object({keys: one for keys, one in lists.items() if one.objects}, size, is_broken, is_all)
    return None


def _placed(signs: Iterator[_Sign]) -> Iterator[tuple[tuple[str, ...] | None, _Sign]]:
    """Signs of an object, each with the keys of the list that it is in, opens or closes; None outside of lists."""
    held, keys, within = bytearray(), list[str](), 0
    for one in signs:
        before, sign, _ = one
        if within:
            within += (sign in _OPENS) - (sign in _CLOSES)
            yield tuple(keys[1:]), one
            if not within:
                keys.pop()
            continue
        held = (held + before)[-_LONGEST_KEY:]
        if sign in _OPENS:
            keys.append(_key(held))
            within = int(sign == b"[")
        elif sign in _CLOSES and keys:
            keys.pop()
        if sign:
            held.clear()
        yield tuple(keys[1:]) if within else None, one


def _key(held: bytearray) -> str:
    """Return the key before a value."""
    try:
        return str(json.loads(held.strip().removesuffix(b":")))
    except ValueError:
        return ""


def _parts(signs: Iterable[_Sign], path: Path, stream: Any = None) -> Iterator[bytes | None]:
    """The bytes of each element of a list; None in the place of one that is too long, of which a piece is held at most.

    Where the list is the file, `stream` must end with it.
    """
    held, depth, too_long = bytearray(), 0, False
    for before, sign, rest in signs:
        depth += (sign in _OPENS) - (sign in _CLOSES)
        ends = depth == 0 and sign in _CLOSES
        if ends or (depth == 1 and sign == b","):
            held += before
            if sign == b"," or held.strip() or too_long:
                yield None if too_long or len(held) > LONGEST_ROW else bytes(held)
            held, too_long = bytearray(), False
        elif depth > 1 or sign != b"[":
            held += before + sign if depth else b""
        if ends:
            if stream is not None:
                _refuse_more(bytes(rest), stream, path)
            return
        if len(held) > LONGEST_ROW:
            held, too_long = bytearray(), True
    raise BadInput(str(path), "is a list of JSON that is not closed", "Copy or export the file again")


def _signs(stream: Any) -> Iterator[_Sign]:
    """The brackets and commas outside of strings: what stands before each since the last, it, and what follows it.

    At the end of a piece that is read the sign is empty.
    """
    inside = escaped = False
    while piece := stream.read(_PIECE):
        start, at, escaped = 0, int(escaped), False
        while found := (_INSIDE if inside else _OUTSIDE).search(piece, at):
            at = found.end()
            if found[0] == b"\\":
                escaped = at == len(piece)
                at += 1
            elif found[0] == b'"':
                inside = not inside
            else:
                yield piece[start : found.start()], found[0], memoryview(piece)[at:]
                start = at
        yield piece[start:], b"", memoryview(b"")


def _refuse_more(rest: bytes, stream: Any, path: Path) -> None:
    """Refuse a file that goes on after its list.

    Raises:
        BadInput: It does.
    """
    if rest.strip() or stream.read(_PIECE).strip():
        what = "goes on after its list of JSON"
        raise BadInput(str(path), what, "Write one list, or one object a line")
