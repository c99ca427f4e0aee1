"""Files of JSON: one object a line, or one list of objects, alone or in an object; each object decoded strictly.

Belongs here: lines to rows, and what is no file of JSON lines though some lines look so. Does not: lines (`lines.py`),
elements of a list (`json_list.py`), or what a value means (`meanings.py`).
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
    """Yield the rows of a file of JSON lines, or of one list: the columns asked for, or all."""
    rows_of = json_list.rows_of(path)
    if rows_of and rows_of.keys:
        reading.dialect = f"its rows are those of its list `{'.'.join(rows_of.keys)}`"
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
                if "\\ud" in text or "\\uD" in text:  # half a surrogate pair is no text
                    json.dumps(row, ensure_ascii=False).encode("utf-8")
            except (ValueError, RecursionError) as error:
                _refuse_one_document(path, number, text)
                reading.bad(f"{path}:{number}", f"not a JSON object ({error})", "Write one object a line")
                continue
            yield number, {**row, LINE: text} if reading.source.whole_rows else row, len(text)

    yield from of_rows(rows(), columns, lambda: _keys(path))


def _objects(path: Path) -> Iterator[Line]:
    """What an object each is expected in: the rows of one value of JSON, else lines."""
    rows = json_list.rows_of(path)
    return lines(path) if rows is None else json_list.elements(path, rows)


def _keys(path: Path) -> set[str]:
    """The keys that any row has: of a large file the first rows may lack a column."""
    found = set[str]()
    for line in _objects(path):
        with suppress(ValueError, RecursionError):
            row = _ROW.decode(line.text.strip(JSON_SPACE))
            found |= set(row) if isinstance(row, dict) else set()
    return found


def _refuse_one_document(path: Path, number: int, text: str) -> None:
    """Refuse a file that is one value of JSON, of which some lines alone may look like rows.

    Raises:
        BadInput: The first line of the file begins an object or a list that goes on below.
    """
    if number > 1:
        return
    begun = text.strip(JSON_SPACE)
    try:
        json.loads(begun)
    except json.JSONDecodeError as error:
        if begun[0] in "[{" and error.pos >= len(begun):
            what = "is one value of JSON over several lines, neither a list of objects nor an object that is mostly one"
            fix = "Write its rows one a line, as with `jq -c '.messages[]'` where they are under `messages`"
            raise BadInput(str(path), what, fix) from None
    except RecursionError:
        return


def _object(pairs: list[tuple[str, Any]]) -> Row:
    """An object of JSON; of two fields of one name, no other reader would say which counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"two fields are called `{next(name for name in names if names.count(name) > 1)}`")
    return found


_ROW = json.JSONDecoder(object_pairs_hook=_object)
