"""Files that are one list of JSON objects, as exports of chats and of web services are: a row an element.

Belongs here: finding where an element ends, in pieces of bounded size. Does not: decoding elements (`json_lines.py`).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from getmore_assets.corpus.lines import LONGEST_ROW, TOO_LONG, Line, decoded, reading_to_its_end, stream_of
from getmore_assets.errors import BadInput

_PIECE = 2**16  # bytes
_OPENING = re.compile(rb"^(?:\xef\xbb\xbf)?\s*\[\s*\{")
_OPENS, _CLOSES = (b"[", b"{"), (b"]", b"}")
_OUTSIDE, _INSIDE = re.compile(rb'["{}\[\],]'), re.compile(rb'["\\]')
_BREAKS = re.compile(rb"\s*[\r\n]\s*")  # no string of JSON holds one as it stands, so they lie between values


def is_list(path: Path) -> bool:
    """Whether a file begins as a list of objects.

    Raises:
        BadInput: It cannot be opened or read.
    """
    with stream_of(path) as stream, reading_to_its_end(path):
        return bool(_OPENING.match(stream.read(_PIECE)))


def elements(path: Path) -> Iterator[Line]:
    """Yield each element of a file that is a list, on one line; its number is its place in the list, from 1.

    Raises:
        BadInput: The file is cut off, or something follows the list.
    """
    with stream_of(path) as stream, reading_to_its_end(path):
        for number, element in enumerate(_parts(stream, path), 1):
            if element is None:
                yield Line(number, "", TOO_LONG)
            else:
                yield decoded(number, _BREAKS.sub(b" ", element.strip()))


def _parts(stream: Any, path: Path) -> Iterator[bytes | None]:
    """The bytes of each element; None in the place of one that is too long, of which no more than a piece is held."""
    held, depth, too_long = bytearray(), 0, False
    for before, sign, rest in _signs(stream):
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
            _refuse_more(bytes(rest), stream, path)
            return
        if len(held) > LONGEST_ROW:
            held, too_long = bytearray(), True
    raise BadInput(str(path), "is a list of JSON that is not closed", "Copy or export the file again")


def _signs(stream: Any) -> Iterator[tuple[bytes, bytes, memoryview]]:
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
