"""Reading JSON files: one object per line, or one list of objects, alone or in an object.

Belongs here: decoding each object strictly, and refusing a file that is any other single JSON value. Does not: lines
(`lines.py`), elements of a list (`json_list.py`), or the meaning of values (`meanings.py`).
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from getmore_assets.corpus import json_list
from getmore_assets.corpus.frames import LINE, Batches, Columns, of_rows
from getmore_assets.corpus.lines import Line, lines
from getmore_assets.corpus.payloads import JSON_SPACE
from getmore_assets.corpus.reading import Reading, Row
from getmore_assets.errors import BadInput


def read(path: Path, columns: Columns, reading: Reading) -> Batches:
    """Yield the rows of a JSON file with the requested columns, or with all."""
    rows_of = json_list.rows_of(path)
    if rows_of and rows_of.keys:
        reading.dialect = f"its rows are in its list `{'.'.join(rows_of.keys)}`"
        reading.beside += rows_of.beside

    def rows() -> Iterator[tuple[int, Row, int]]:
        for line in _objects(path):
            number, text, wrong = line
            if wrong:
                line.report(path, reading)
                continue
            if not text.strip():
                continue
            try:
                row = _ROW.decode(text.strip(JSON_SPACE))
                if not isinstance(row, dict):
                    raise ValueError("not an object")
                if "\\ud" in text or "\\uD" in text:  # refuse half a surrogate pair
                    json.dumps(row, ensure_ascii=False).encode("utf-8")
            except (ValueError, RecursionError) as error:
                _refuse_one_document(path, number, text)
                reading.bad(f"{path}:{number}", f"not a JSON object ({error})", "Write one object per line")
                continue
            yield number, {**row, LINE: text} if reading.source.whole_rows else row, len(text)

    yield from of_rows(rows(), columns, lambda: _keys(path))


def _objects(path: Path) -> Iterator[Line]:
    """Return the texts that must each be an object: elements of a list, or lines."""
    rows = json_list.rows_of(path)
    return lines(path) if rows is None else json_list.elements(path, rows)


def _keys(path: Path) -> set[str]:
    """Return the keys of all rows."""
    keys = set[str]()
    for line in _objects(path):
        with suppress(ValueError, RecursionError):
            row = _ROW.decode(line.text.strip(JSON_SPACE))
            keys |= set(row) if isinstance(row, dict) else set()
    return keys


def _refuse_one_document(path: Path, number: int, text: str) -> None:
    """Refuse a file that is one JSON value over several lines; single lines of it may look like rows.

    Raises:
        BadInput: The first line of the file begins an object or a list that a later line closes.
    """
    if number > 1:
        return
    start = text.strip(JSON_SPACE)
    try:
        json.loads(start)
    except json.JSONDecodeError as error:
        if start[0] in "[{" and error.pos >= len(start):
            what = "is one JSON value over several lines, but neither a list of objects nor an object around one"
            fix = "Write one row per line, as with `jq -c '.messages[]'` for rows under `messages`"
            raise BadInput(str(path), what, fix) from None
    except RecursionError:
        return


def _object(pairs: list[tuple[str, Any]]) -> Row:
    """Return a JSON object; two fields of one name are refused, as JSON readers differ in which value they take."""
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"two fields are called `{next(name for name in names if names.count(name) > 1)}`")
    return row


_ROW = json.JSONDecoder(object_pairs_hook=_object)
