"""Records of CSV and TSV: quoted as RFC 4180 says, or without quoting.

Belongs here: which of the two a file is, what separates its fields, records over several lines, and what spoils a
record. Does not: lines (`lines.py`), or what a value means (`meanings.py`).
"""

import csv
import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from getmore_assets.corpus.frames import LINE, Batches, Columns, of_rows
from getmore_assets.corpus.lines import LONGEST_ROW, TOO_LONG, Line, lines
from getmore_assets.corpus.reading import Reading, Row
from getmore_assets.errors import BadInput

_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_FIRST_LINE_OF_EXCEL = re.compile(r'"?sep=([,;\t|])"?\s*')
_MOST_OF_THEM = 0.9  # of the lines: a ragged one may be among them
_LONGEST_HEADER = 20  # lines
_SAY_WHICH = "Set `quoting: none` on this source where quotes are part of the text, or `quoting: standard`"


def delimited(delimiter: str) -> Callable[[Path, Columns, Reading], Batches]:
    """Return the reader of files whose fields are separated by `delimiter`, unless their header tells otherwise."""

    def read(path: Path, columns: Columns, reading: Reading) -> Batches:
        csv.field_size_limit(LONGEST_ROW)
        yield from of_rows(_Records(path, delimiter, columns, reading).rows(), columns)

    return read


class _Records:
    """The records of a file, each with the number of its first line."""

    def __init__(self, path: Path, delimiter: str, columns: Columns, reading: Reading) -> None:
        self.path, self.reading = path, reading
        self.quoting = reading.source.quoting
        self.delimiter, self.begins = self._separated(delimiter, set(columns or ()))
        self.held: list[Line] = []  # of the record that is being read
        self.size = 0  # of these, in characters

    def rows(self) -> Iterator[tuple[int, Row, int]]:
        """Yield the number of a record's first line, its fields by column, and its size in characters."""
        reader: csv.DictReader[str] = csv.DictReader(
            self._lines(), delimiter=self.delimiter, strict=True, quoting=self._csv_quoting()
        )
        whole = self.reading.source.whole_rows
        try:
            names = self._header(reader)
            for row in reader:
                held, size = self._record()
                number = held[0].number
                if None in row:
                    what = f"more fields than the header's {len(names)}"
                    raise BadInput(f"{self.path}:{number}", what, "Quote the delimiter, or mend the row")
                if len(held) > 1 or None in row.values():
                    self._require_one_reading(held, len(names))
                bad = next((line for line in held if line.wrong), None)
                if bad:
                    bad.spoils_a_row(self.path, self.reading)
                    continue
                kept = {LINE: json.dumps(row, ensure_ascii=False)} if whole else {}
                yield number, row | kept, size
        except csv.Error as error:
            line = self.held[0].number if self.held else reader.line_num
            if "new-line character" in str(error):
                what = "a carriage return within a field, where the lines end otherwise"
                raise BadInput(f"{self.path}:{line}", what, "Convert all ends of lines to LF, or quote it") from None
            raise BadInput(f"{self.path}:{line}", str(error), f"Mend the quoting of this row. {_SAY_WHICH}") from None

    def _csv_quoting(self) -> Literal[0, 3]:
        return csv.QUOTE_NONE if self.quoting == "none" else csv.QUOTE_MINIMAL

    def _separated(self, usual: str, wanted: set[str]) -> tuple[str, int]:
        """Return the delimiter and the line number of the header; report a delimiter that the format does not imply.

        A spreadsheet writes semicolons where a comma is the decimal point, under the same name, and may say so in a
        line of its own before the header.

        Raises:
            BadInput: The header has several fields by either of two delimiters, and neither gives those asked for.
        """
        told = _FIRST_LINE_OF_EXCEL.fullmatch(self._first_line(1))
        begins = 2 if told else 1
        found = self.reading.source.delimiter or (told[1] if told else self._told_by_the_header(begins, usual, wanted))
        if found != usual:
            self.reading.dialect = f"fields are separated by {_DELIMITERS[found]}"
        return found, begins

    def _told_by_the_header(self, number: int, usual: str, wanted: set[str]) -> str:
        header = self._first_line(number)
        names = {one: self._names(header, one) for one in (usual, *(_DELIMITERS.keys() - {usual}))}
        several = [one for one, found in names.items() if len(found) > 1]
        fitting = [one for one in several if wanted <= names[one]] or several
        if not fitting or usual in fitting or (wanted and wanted <= names[usual]):
            return usual
        if len(fitting) > 1:
            either = " or ".join(sorted(_DELIMITERS[one] for one in fitting))
            what = f"the header's fields may be separated by {either}"
            raise BadInput(f"{self.path}:{number}", what, "Set `delimiter` on this source")
        return fitting[0]

    def _first_line(self, number: int) -> str:
        """The header, over several lines where a quote is open at the end of one."""
        found = ""
        for line in islice(lines(self.path), number - 1 + _LONGEST_HEADER):
            if line.number >= number and (found or line.text.strip()):
                found += line.text
                if found.count('"') % 2 == 0 or self.quoting == "none":
                    break
        return found

    def _names(self, header: str, delimiter: str) -> set[str]:
        """Return the names of the columns; where quotes are wrong there are none, which reading the file says."""
        try:
            return set(next(csv.reader([header], delimiter=delimiter, quoting=self._csv_quoting()), []))
        except csv.Error:
            return set()

    def _header(self, reader: "csv.DictReader[str]") -> list[str]:
        names = list(reader.fieldnames or [])
        held, _ = self._record()
        if bad := next((line for line in held if line.wrong), None):
            raise BadInput(f"{self.path}:{bad.number}", f"the header is {bad.wrong}", "Convert the file")
        if len(set(names)) < len(names):
            what = f"two columns are called `{next(name for name in names if names.count(name) > 1)}`"
            raise BadInput(f"{self.path}:{self.begins}", what, "Rename one in the file's header")
        return names

    def _lines(self) -> Iterator[str]:
        for line in lines(self.path):
            if line.number < self.begins or (not self.held and not line.text.strip("\r\n") and not line.wrong):
                continue  # a blank line between records is none
            if not self.held and line.wrong == TOO_LONG:
                line.spoils_a_row(self.path, self.reading)
                continue
            self.size += len(line.text)
            if self.size > LONGEST_ROW or line.wrong == TOO_LONG:  # where this record ends cannot be known
                what, fix = f"a row {TOO_LONG}", "Look for a quote that is not closed"
                raise BadInput(f"{self.path}:{line.number}", what, fix)
            self.held.append(line)
            yield line.text

    def _record(self) -> tuple[list[Line], int]:
        """Return the lines of the record that was just read, and their size; the next one begins."""
        held, size = self.held, self.size
        self.held, self.size = [], 0
        return held, size

    def _require_one_reading(self, held: list[Line], fields: int) -> None:
        """Refuse a record that quotes make of what, without quoting, are whole records.

        A file that was written without quoting has as many fields in nearly every line as the header, and one that was
        written with it has not, unless its texts hold neither delimiters nor line ends. The whole file is looked at
        once, where a record gives cause.

        Raises:
            BadInput: Both readings are whole, and they differ.
        """
        if self.quoting is not None or not any('"' in line.text for line in held):
            return
        if all(self._has(line, fields) for line in held) and self._share_unquoted(fields) >= _MOST_OF_THEM:
            one = "one row" if len(held) > 1 else "a row with too few fields"
            what = f"{one} where quotes enclose fields, and {len(held)} whole rows where they are part of the text"
            raise BadInput(f"{self.path}:{held[0].number}", what, _SAY_WHICH)
        self.quoting = "standard"

    def _share_unquoted(self, fields: int) -> float:
        """The share of lines that are whole rows where quotes are part of the text."""
        whole, every = 0, 0
        for line in lines(self.path):
            whole, every = whole + self._has(line, fields), every + 1
        return whole / every

    def _has(self, line: Line, fields: int) -> bool:
        text = line.text.strip("\r\n")
        return not text or line.number < self.begins or text.count(self.delimiter) == fields - 1
