"""Reading CSV and TSV, with RFC 4180 quoting or without quoting.

Belongs here: detecting delimiter and quoting, records over several lines, bad records. Does not: lines (`lines.py`), or
the meaning of values (`meanings.py`).
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
_EXCEL_DELIMITER = re.compile(r'"?sep=([,;\t|])"?\s*')  # a first line that Excel writes
_LEAST_ROW_SHARE = 0.9  # the least share of lines that are rows; some may be ragged
_LONGEST_HEADER = 20  # lines
_SET_QUOTING = "Set `quoting: none` on this source if quotes are part of the text, else `quoting: standard`"


def delimited(delimiter: str) -> Callable[[Path, Columns, Reading], Batches]:
    """Return a reader of delimited files; the reader uses the delimiter of the header if it differs."""

    def read(path: Path, columns: Columns, reading: Reading) -> Batches:
        csv.field_size_limit(LONGEST_ROW)
        yield from of_rows(_Records(path, delimiter, columns, reading).rows(), columns)

    return read


class _Records:
    """The records of a delimited file."""

    def __init__(self, path: Path, delimiter: str, columns: Columns, reading: Reading) -> None:
        self.path, self.reading = path, reading
        self.quoting = reading.source.quoting
        self.delimiter, self.header_line = self._find_delimiter(delimiter, set(columns or ()))
        self.pending: list[Line] = []  # the lines of the record that is being read
        self.size = 0  # characters of these lines

    def rows(self) -> Iterator[tuple[int, Row, int]]:
        """Yield each record: the number of its first line, its fields by column, and its size in characters."""
        reader: csv.DictReader[str] = csv.DictReader(
            self._lines(), delimiter=self.delimiter, strict=True, quoting=self._csv_quoting()
        )
        whole = self.reading.source.whole_rows
        try:
            names = self._header(reader)
            for row in reader:
                record, size = self._take_record()
                number = record[0].number
                if None in row:
                    what = f"more fields than the header's {len(names)}"
                    raise BadInput(f"{self.path}:{number}", what, "Quote the delimiter, or mend the row")
                if len(record) > 1 or None in row.values():
                    self._require_clear_quoting(record, len(names))
                bad = next((line for line in record if line.wrong), None)
                if bad:
                    bad.report(self.path, self.reading)
                    continue
                payload = {LINE: json.dumps(row, ensure_ascii=False)} if whole else {}
                yield number, row | payload, size
        except csv.Error as error:
            line = self.pending[0].number if self.pending else reader.line_num
            if "new-line character" in str(error):
                what = "a carriage return within a field, in a file with other line ends"
                raise BadInput(f"{self.path}:{line}", what, "Convert all line ends to LF, or quote the field") from None
            raise BadInput(f"{self.path}:{line}", str(error), f"Mend the quoting of this row. {_SET_QUOTING}") from None

    def _csv_quoting(self) -> Literal[0, 3]:
        return csv.QUOTE_NONE if self.quoting == "none" else csv.QUOTE_MINIMAL

    def _find_delimiter(self, default: str, columns: set[str]) -> tuple[str, int]:
        """Return the delimiter and the line number of the header, and report a delimiter other than the default.

        Spreadsheets in locales with a decimal comma write semicolons into `.csv` files, and Excel may name the
        delimiter in a line before the header.

        Raises:
            BadInput: Two delimiters split the header into several fields, and neither gives the source's columns.
        """
        named = _EXCEL_DELIMITER.fullmatch(self._header_text(1))
        number = 2 if named else 1
        delimiter = self.reading.source.delimiter or (named[1] if named else self._by_header(number, default, columns))
        if delimiter != default:
            self.reading.dialect = f"fields are separated by {_DELIMITERS[delimiter]}"
        return delimiter, number

    def _by_header(self, number: int, default: str, columns: set[str]) -> str:
        """Return the delimiter that splits the header into the source's columns."""
        header = self._header_text(number)
        names = {each: self._names(header, each) for each in (default, *(_DELIMITERS.keys() - {default}))}
        several = [each for each, fields in names.items() if len(fields) > 1]
        fitting = [each for each in several if columns <= names[each]] or several
        if not fitting or default in fitting or (columns and columns <= names[default]):
            return default
        if len(fitting) > 1:
            either = " or ".join(sorted(_DELIMITERS[each] for each in fitting))
            what = f"the header's fields may be separated by {either}"
            raise BadInput(f"{self.path}:{number}", what, "Set `delimiter` on this source")
        return fitting[0]

    def _header_text(self, number: int) -> str:
        """Return the header that starts at a line; it goes on to the next line while a quote is open."""
        text = ""
        for line in islice(lines(self.path), number - 1 + _LONGEST_HEADER):
            if line.number >= number and (text or line.text.strip()):
                text += line.text
                if text.count('"') % 2 == 0 or self.quoting == "none":
                    break
        return text

    def _names(self, header: str, delimiter: str) -> set[str]:
        """Return the names of the columns; none if the quoting is wrong, which reading the file reports."""
        try:
            return set(next(csv.reader([header], delimiter=delimiter, quoting=self._csv_quoting()), []))
        except csv.Error:
            return set()

    def _header(self, reader: "csv.DictReader[str]") -> list[str]:
        names = list(reader.fieldnames or [])
        record, _ = self._take_record()
        if bad := next((line for line in record if line.wrong), None):
            raise BadInput(f"{self.path}:{bad.number}", f"the header is {bad.wrong}", "Convert the file")
        if len(set(names)) < len(names):
            what = f"two columns are called `{next(name for name in names if names.count(name) > 1)}`"
            raise BadInput(f"{self.path}:{self.header_line}", what, "Rename one in the file's header")
        return names

    def _lines(self) -> Iterator[str]:
        for line in lines(self.path):
            if line.number < self.header_line or (not self.pending and not line.text.strip("\r\n") and not line.wrong):
                continue  # a blank line between records
            if not self.pending and line.wrong == TOO_LONG:
                line.report(self.path, self.reading)
                continue
            self.size += len(line.text)
            if self.size > LONGEST_ROW or line.wrong == TOO_LONG:  # the end of this record cannot be found
                what, fix = f"a row {TOO_LONG}", "Look for a quote that is not closed"
                raise BadInput(f"{self.path}:{line.number}", what, fix)
            self.pending.append(line)
            yield line.text

    def _take_record(self) -> tuple[list[Line], int]:
        """Return and clear the pending lines, which are one record, and their size."""
        record, size = self.pending, self.size
        self.pending, self.size = [], 0
        return record, size

    def _require_clear_quoting(self, record: list[Line], fields: int) -> None:
        """Require that a quoted record is not several whole rows of a file without quoting.

        In a file without quoting, nearly every line has as many fields as the header. A file with quoting has
        fewer such lines, unless no text has a delimiter or a line end. The whole file is read once, at the first
        doubtful record.

        Raises:
            BadInput: The file can be read with and without quoting, with different rows.
        """
        if self.quoting is not None or not any('"' in line.text for line in record):
            return
        if all(self._is_row(line, fields) for line in record) and self._share_of_rows(fields) >= _LEAST_ROW_SHARE:
            quoted = "one row" if len(record) > 1 else "a row with too few fields"
            what = f"{quoted} if quotes enclose fields, and {len(record)} whole rows if quotes are part of the text"
            raise BadInput(f"{self.path}:{record[0].number}", what, _SET_QUOTING)
        self.quoting = "standard"

    def _share_of_rows(self, fields: int) -> float:
        """Return the share of lines that are rows if the file is read without quoting."""
        rows, total = 0, 0
        for line in lines(self.path):
            rows, total = rows + self._is_row(line, fields), total + 1
        return rows / total

    def _is_row(self, line: Line, fields: int) -> bool:
        """Return whether a line, without quoting, has the header's number of fields; blank lines count."""
        text = line.text.strip("\r\n")
        return not text or line.number < self.header_line or text.count(self.delimiter) == fields - 1
