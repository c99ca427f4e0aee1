"""A text file's bytes, plain or compressed, as numbered lines of bounded length.

Belongs here: opening, decompressing, cutting into lines; refusing a file that is cut off; saying which line is too long
or not UTF-8. Does not: what a line means, and so which row a bad line spoils (`formats.py`).
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import zstandard

from getmore_assets.corpus.library_errors import translated
from getmore_assets.corpus.reading import Reading
from getmore_assets.errors import BadInput

#: The most bytes of a row: what is longer is no text that anyone would train on, and would be held several times over.
LONGEST_ROW = 16 * 2**20
TOO_LONG = f"longer than {LONGEST_ROW // 2**20} MiB"
CUT_IT = "Cut it into several rows, or set `bad_rows: skip`"
_SIP = 1024  # compressed bytes at a time: a block of four bytes may stand for 128 KiB
_BUFFER = 2**16  # bytes
_MOST_NULS = 8  # where more than one byte in 8 is 0, the file is not UTF-8 text


class _Zstd(io.RawIOBase):
    """Frames one after the other; where the last is cut off an error, for which the package's own reader stops."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._frame: Any = None
        self._left, self._ready = b"", memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; 0 at the end."""
        while not self._ready:
            compressed = self._left or self._file.read(_SIP)
            if not compressed:
                if self._frame is not None:
                    raise EOFError("it ends within a frame")
                return 0
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._ready, self._left = memoryview(self._frame.decompress(compressed)), b""
            if self._frame.eof:
                self._left, self._frame = self._frame.unused_data, None
        some = self._ready[: len(buffer)]
        buffer[: len(some)], self._ready = some, self._ready[len(some) :]
        return len(some)

    def close(self) -> None:
        self._file.close()
        super().close()


def _open_zstd(path: Path, _mode: str) -> BinaryIO:
    return io.BufferedReader(_Zstd(path), _BUFFER)


#: How a file's name ends → how it is opened, where it is compressed.
OPENERS: dict[str, Any] = {".gz": gzip.open, ".zst": _open_zstd}


class Line(NamedTuple):
    """A line with its end. Of a bad line, `text` is no text of the file: the row that the line is part of is bad.

    Attributes:
        number: The first line of a file is 1.
        text: Where bytes are not UTF-8, U+FFFD stands for them, so that quotes and delimiters stay where they are.
            Empty where the line is too long.
        wrong: What is wrong with the line, or None.
    """

    number: int
    text: str
    wrong: str | None = None

    def report(self, path: Path, reading: Reading) -> None:
        """Count the row that this bad line is part of, or refuse it.

        Raises:
            BadInput: `bad_rows` is `error`.
        """
        assert self.wrong is not None
        fix = CUT_IT if self.wrong == TOO_LONG else "Convert the file, or set `bad_rows: skip`"
        reading.bad(f"{path}:{self.number}", self.wrong, fix)


def lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a UTF-8 file, plain, gz or zst; a lone CR ends a line where the file begins without LF.

    Raises:
        BadInput: The file cannot be opened, or is cut off.
    """
    with stream_of(path) as stream, reading_to_its_end(path):
        for number, line in enumerate(_whole_lines(stream, path), 1):
            yield decoded(number, line)


def stream_of(path: Path) -> Any:
    """The bytes of a file, plain, gz or zst.

    Raises:
        BadInput: It cannot be opened.
    """
    with translated(str(path), "cannot be opened"):
        return OPENERS.get(path.suffix, Path.open)(path, "rb")


@contextmanager
def reading_to_its_end(path: Path) -> Iterator[None]:
    """Refuse a file that is cut off or damaged, while it is read.

    Raises:
        BadInput: It is.
    """
    try:
        yield
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        raise BadInput(str(path), f"cannot be read to its end ({error})", "Copy or compress the file again") from None


def decoded(number: int, line: bytes | None) -> Line:
    """A line or an element of a list as text; None stands for one that is too long."""
    if line is None:
        return Line(number, "", TOO_LONG)
    encoding = "utf-8-sig" if number == 1 else "utf-8"
    try:
        return Line(number, line.decode(encoding))
    except UnicodeDecodeError as error:
        wrong = f"not valid UTF-8 (byte {error.start} of the line)"
        return Line(number, line.decode(encoding, "replace"), wrong)


def _whole_lines(stream: Any, path: Path) -> Iterator[bytes | None]:
    """Lines; None in the place of one that is too long, of which no more than a piece is ever held."""
    head = stream.peek(_BUFFER)
    if head.count(0) * _MOST_NULS > len(head):
        what = "is UTF-16 or no text: more than one byte in eight at its start is 0"
        raise BadInput(str(path), what, "Convert it to UTF-8, as with `iconv -f UTF-16 -t UTF-8`")
    if b"\r" in head and b"\n" not in head:
        yield from _ended_by_cr(stream)
        return
    while line := stream.readline(LONGEST_ROW + 1):
        if len(line) <= LONGEST_ROW:
            yield line
            continue
        yield None
        while line and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_ROW)


def _ended_by_cr(stream: Any) -> Iterator[bytes | None]:
    """Lines of a file of the old Mac OS, as spreadsheets still write them there."""
    held, too_long = b"", False
    while piece := stream.read(_BUFFER):
        *whole, held = (held + piece).split(b"\r")
        for line in whole:
            yield None if too_long else line + b"\r"
            too_long = False
        if len(held) > LONGEST_ROW:
            held, too_long = b"", True
    if held or too_long:
        yield None if too_long else held
