"""The lines of a text file, plain or compressed, with numbers and of bounded length.

Belongs here: opening, decompressing and splitting; refusing a truncated file; marking lines that are too long or not
UTF-8. Does not: rows (`formats.py`, `delimited.py`, `json_lines.py`).
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

#: The most bytes of a row. Longer texts are not useful for training, and a row is in memory several times.
LONGEST_ROW = 16 * 2**20
TOO_LONG = f"longer than {LONGEST_ROW // 2**20} MiB"
CUT_IT = "Cut it into several rows, or set `bad_rows: skip`"
_SIP = 1024  # compressed bytes at a time: four bytes may decompress to 128 KiB
_BUFFER = 2**16  # bytes
_MOST_NULS = 8  # a file with more than one null byte in 8 is not UTF-8 text


class _Zstd(io.RawIOBase):
    """A reader of zstd frames that raises if the last frame is truncated; the package's own reader stops silently."""

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
        part = self._ready[: len(buffer)]
        buffer[: len(part)], self._ready = part, self._ready[len(part) :]
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()


def _open_zstd(path: Path, _mode: str) -> BinaryIO:
    return io.BufferedReader(_Zstd(path), _BUFFER)


#: The function that opens a compressed file, by suffix.
OPENERS: dict[str, Any] = {".gz": gzip.open, ".zst": _open_zstd}


class Line(NamedTuple):
    """A line with its line end. A bad line makes its row bad.

    Attributes:
        number: The line number, from 1.
        text: The text. Bytes that are not UTF-8 are replaced by U+FFFD, so that quotes and delimiters can be parsed.
            Empty for a line that is too long.
        wrong: What is wrong with the line, or None.
    """

    number: int
    text: str
    wrong: str | None = None

    def report(self, path: Path, reading: Reading) -> None:
        """Count the row of this bad line as skipped, or refuse it.

        Raises:
            BadInput: `bad_rows` is `error`.
        """
        assert self.wrong is not None
        fix = CUT_IT if self.wrong == TOO_LONG else "Convert the file, or set `bad_rows: skip`"
        reading.bad(f"{path}:{self.number}", self.wrong, fix)


def lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a UTF-8 file, plain, gz or zst; CR ends a line if the start of the file has no LF.

    Raises:
        BadInput: The file cannot be opened, or is truncated.
    """
    with stream_of(path) as stream, reading_to_its_end(path):
        for number, line in enumerate(_whole_lines(stream, path), 1):
            yield decoded(number, line)


def stream_of(path: Path) -> Any:
    """Open a file, plain, gz or zst, as a stream of bytes.

    Raises:
        BadInput: The file cannot be opened.
    """
    with translated(str(path), "cannot be opened"):
        return OPENERS.get(path.suffix, Path.open)(path, "rb")


@contextmanager
def reading_to_its_end(path: Path) -> Iterator[None]:
    """Refuse a truncated or damaged file while it is read.

    Raises:
        BadInput: The file is truncated or damaged.
    """
    try:
        yield
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        raise BadInput(str(path), f"cannot be read to its end ({error})", "Copy or compress the file again") from None


def decoded(number: int, line: bytes | None) -> Line:
    """Decode a line, or an element of a list; None stands for bytes that are too long."""
    if line is None:
        return Line(number, "", TOO_LONG)
    encoding = "utf-8-sig" if number == 1 else "utf-8"
    try:
        return Line(number, line.decode(encoding))
    except UnicodeDecodeError as error:
        wrong = f"not valid UTF-8 (byte {error.start} of the line)"
        return Line(number, line.decode(encoding, "replace"), wrong)


def _whole_lines(stream: Any, path: Path) -> Iterator[bytes | None]:
    """Yield lines; None for a line that is too long, which is not kept in memory."""
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
    """Yield the lines of a file of the classic Mac OS, which some spreadsheets still write."""
    rest, too_long = b"", False
    while piece := stream.read(_BUFFER):
        *whole, rest = (rest + piece).split(b"\r")
        for line in whole:
            yield None if too_long else line + b"\r"
            too_long = False
        if len(rest) > LONGEST_ROW:
            rest, too_long = b"", True
    if rest or too_long:
        yield None if too_long else rest
