"""`raw_corpus`: the candidate pool as a Delta table, one row per content id.

Belongs here: reading the sources, writing new rows only, and reading the pool. Does not: eligibility
(`candidates.py`).
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import Field

from getmore_assets.config import Source, Task
from getmore_assets.corpus import payloads, readers
from getmore_assets.corpus.duplicates import NearDuplicates
from getmore_assets.corpus.id_index import IdIndex, KnownRows, marks_of
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.corpus.pool_rows import Sketch, passages_of, sketch
from getmore_assets.corpus.pool_summary import summary_of
from getmore_assets.corpus.reading import Reading, SourceCounts
from getmore_assets.corpus.shingles import VERSION, Shingles
from getmore_assets.delta_commits import Buffered
from getmore_assets.delta_versions import Seen
from getmore_assets.errors import BadInput
from getmore_assets.facts import Facts
from getmore_assets.lake import Lake, TableRef
from getmore_assets.parallel import mapped
from getmore_assets.pieces import batches
from getmore_assets.records import write_atomically

log = logging.getLogger(__name__)

TABLE = "raw_corpus"
_MOST_READS = 5  # attempts to read a pool that another process writes meanwhile
_STORED = ["id", "text", "source", "domain", "n_tokens", "duplicate_of", "held_out", "origin", "shingles"]
# Columns of a pool that keeps rows whole: the number of the source, and the payload.
_PAYLOAD_COLUMNS = {"candidate": pl.Int64, **payloads.SCHEMA}


class PoolFacts(Facts):
    """Metadata of the pool: counts of rows, total and by source, the pool's key, the version of the held-out rows."""

    pool: str = ""
    read: int = 0
    passages: int = 0
    exact_duplicates: int = 0
    near_duplicates: int = 0
    written: int = 0
    removed: int = 0
    longer_than_a_passage: int = 0  # rows kept whole
    parts_not_text: int = 0  # parts of messages: images, audio
    rows: int = 0
    domains: dict[str, int] = Field(default_factory=dict)
    held_out_version: str = ""
    sources: list[SourceCounts] = Field(default_factory=list)


def keeps_whole_rows(task: Task) -> bool:
    """Return whether a source of the pool keeps whole rows."""
    return any(source.whole_rows for source in task.candidates)


def reading_of(source: Source, task: Task) -> Reading:
    """Return a new reading of a source of the pool."""
    return Reading(source, cuts=longest_of(source, task) is not None)


def longest_of(source: Source, task: Task) -> int | None:
    """Return the longest passage of a source, in characters; None if its rows are not cut."""
    # A precomputed vector belongs to a whole row.
    return None if source.vector or source.whole_rows else task.corpus.passage_chars


def pool_key(task: Task) -> str:
    """Return the key of a task's pool; tasks with the same sources and cleaning share rows and vectors."""
    return fingerprint([readers.same_but_version(s) for s in task.candidates], task.corpus)[:16]


def source_version(task: Task, seen: Seen | None = None) -> str:
    """Return the data version of the pool's sources; `seen` as in `readers.data_version`."""
    return fingerprint([readers.data_version(source, seen) for source in task.candidates])


def scan_pool(table: TableRef, key: str) -> pl.LazyFrame:
    """Return the rows of one pool at one version of the table."""
    return table.scan().filter(pl.col("pool") == key)


def with_ids(rows: pl.LazyFrame, ids: pl.Series) -> pl.LazyFrame:
    """Return the rows with these ids. A join with the ids would hold every text of the pool in memory."""
    return rows.filter(pl.col("id").is_in(ids.implode()))


def texts_of(table: TableRef, task: Task, ids: list[str]) -> list[str]:
    """Return the texts of rows of a pool, in the order of the ids.

    Raises:
        LookupError: An id is not in the pool.
    """
    frame = pl.DataFrame({"id": ids}, schema={"id": pl.String})
    rows = scan_pool(table, pool_key(task)).select("id", "text")
    texts = with_ids(rows, frame["id"]).collect()
    joined = frame.join(texts, on="id", how="left", maintain_order="left")
    if joined["text"].null_count() or joined.height != frame.height:
        raise LookupError(f"{joined['text'].null_count()} of {len(ids)} ids are not in raw_corpus")
    return joined["text"].to_list()


def build(task: Task, lake: Lake, commit: dict[str, str]) -> tuple[TableRef, str, PoolFacts]:
    """Update the table from the sources; only new rows are written.

    If rows left the sources, or the source or domain of a row changed, the whole pool is written again, so that no
    near-duplicate mark depends on a removed row.

    Returns:
        The table's version, the data version (a hash of ids and marks in order of id), and the metadata.
    """
    key = pool_key(task)
    files = [readers.files(source) for source in task.candidates]
    state = lake.folder("pools") / f"{key}.json"
    only = _files_to_read(files, state, lake, key)
    if not _is_of_this_version(state):
        if lake.latest(TABLE) is not None:
            log.info("pool: its counts and shingles have another definition of a token: writing it again")
            lake.delete_where(TABLE, f"pool = '{key}'", commit)
        # Written before any row, so that an interrupted build continues.
        write_atomically(state, json.dumps({"files": [], "rows": None, "shingles": VERSION}))
    for _ in range(_MOST_READS):
        read = _append_new(task, lake, key, commit, only)
        if read.missing or read.changed or read.doubled:
            message = "pool: %d rows left the sources, %d changed, %d were in the table twice: writing it again"
            log.info(message, read.missing, read.changed, read.doubled)
            removed = read.missing
            lake.delete_where(TABLE, f"pool = '{key}'", commit)
            read = _append_new(task, lake, key, commit, None)
            read.facts.removed = removed
        table = lake.latest(TABLE)
        assert table is not None, "preflight refuses an empty pool"
        stored = summary_of(scan_pool(table, key), _compared(task), read.ids)
        if stored is not None:
            break
        log.info("pool: another process wrote it meanwhile: reading it again")
        only = None
    else:
        fix = "Let one process at a time write a pool that shrinks or changes"
        raise BadInput(TABLE, f"another process wrote the pool during {_MOST_READS} readings", fix)
    write_atomically(state, json.dumps({"files": files, "rows": stored.rows, "shingles": VERSION}))
    facts = read.facts.model_copy(update=vars(stored) | {"domains": dict(stored.domains.most_common())})
    return table, stored.data_version, facts


@dataclass
class _Read:
    """The result of reading the sources into the table.

    Attributes:
        facts: Counts of rows.
        ids: The ids of all rows of the sources.
        missing: Number of rows of the table that are no longer in the sources.
        changed: Number of rows whose source, domain or payload changed.
        doubled: Number of rows that were in the table more than once.
    """

    facts: PoolFacts
    ids: IdIndex
    missing: int
    changed: int
    doubled: int


def _is_of_this_version(state: Path) -> bool:
    return state.is_file() and json.loads(state.read_text("utf-8")).get("shingles") == VERSION


def _files_to_read(files: list[dict[str, str] | None], state: Path, lake: Lake, key: str) -> list[set[str]] | None:
    """Return the new files of each source since the last complete build; None if all files must be read.

    Args:
        files: The files of each source, with their hashes.
        state: The file with the files and the number of rows of the last complete build.
        lake: The lake.
        key: The pool's key.
    """
    table = lake.latest(TABLE)
    if table is None or not _is_of_this_version(state):
        return None
    last = json.loads(state.read_text("utf-8"))
    rows = scan_pool(table, key).select(pl.len()).collect().item()
    return readers.new_files(files, last["files"]) if last["rows"] == rows else None


def _append_new(task: Task, lake: Lake, key: str, commit: dict[str, str], only: list[set[str]] | None) -> _Read:
    """Append new rows, and count known rows that are gone or changed.

    With `only`, read only these files of each source; the other files, and so their rows, are unchanged.
    """
    facts, changed, found, threshold = PoolFacts(pool=pool_key(task)), 0, 0, task.corpus.near_duplicates
    folder = lake.folder("pools")
    near = NearDuplicates(threshold, folder) if threshold else None
    with Buffered(lake.keyed(TABLE, ("pool", key), "id", commit)) as writer:
        known = _known(task, lake, key, near)
        still_there = np.zeros(len(known.ids), np.bool_)
        seen = IdIndex(folder) if only is None else known.ids

        def new_rows() -> Iterator[tuple[pl.DataFrame, tuple[pl.DataFrame]]]:
            """Yield the unknown rows of each batch, and the columns from which their sketch is computed."""
            nonlocal changed
            for reading, batch in _passages(task, facts, only):
                unique = batch.unique("id", keep="first", maintain_order=True)
                unique = unique.filter(pl.Series(seen.find(unique["id"]) < 0))
                positions = known.ids.find(unique["id"])
                reading.folded += batch.height - unique.height
                facts.exact_duplicates += batch.height - unique.height
                seen.add(unique["id"])
                is_known = positions >= 0
                still_there[positions[is_known]] = True
                marks = marks_of(unique.select(_compared(task)))
                changed += int((known.marks.at(positions[is_known]) != marks[is_known]).sum())
                if not is_known.all():
                    new = unique.filter(pl.Series(~is_known))
                    yield new, (new.select("id", "text"),)

        sketching = partial(sketch, with_shingles=near is not None, held_out=task.corpus.held_out)
        for new, sketched in mapped(sketching, new_rows(), task.launch.texts):
            writer.add(_with_marks(new, sketched, task, near))
            found += new.height
            log.info("pool: %d rows read, %d new", facts.read, found)
    facts.written = writer.written
    return _Read(facts, seen, int((~still_there).sum()) if only is None else 0, changed, known.doubled)


def _compared(task: Task) -> list[str]:
    """Return the columns in which a row of the same id may have changed."""
    return ["source", "domain", *(["payload_hash"] if keeps_whole_rows(task) else [])]


def _known(task: Task, lake: Lake, key: str, near: NearDuplicates | None) -> KnownRows:
    """Return the rows in the table, and add the originals among them to the index of near-duplicates."""
    table, columns = lake.latest(TABLE), ["id", *_compared(task)]
    if table is None or not {*columns, "shingles"} <= set(table.scan().collect_schema()):
        return KnownRows.of([], lake.folder("pools"))
    rows = scan_pool(table, key)
    if near is not None:
        originals = rows.filter(pl.col("duplicate_of").is_null())
        for batch in batches(originals.select("id", "shingles"), readers.BATCH_ROWS):
            near.add_known(batch["id"].to_list(), Shingles.from_bytes(batch["shingles"].to_list()))
    return KnownRows.of(batches(rows.select(columns), readers.BATCH_ROWS), lake.folder("pools"))


def _passages(task: Task, facts: PoolFacts, only: list[set[str]] | None) -> Iterator[tuple[Reading, pl.DataFrame]]:
    """Yield the passages of each batch of rows, with the reading of the source, and count them in `facts`."""
    readings = [reading_of(source, task) for source in task.candidates]

    def read() -> Iterator[tuple[tuple[int, int], tuple[pl.DataFrame, int | None]]]:
        for number, (source, reading) in enumerate(zip(task.candidates, readings, strict=True)):
            for rows in readers.read(source, only[number] if only is not None else None, reading):
                yield (number, rows.height), (rows.drop("vector", strict=False), longest_of(source, task))

    for (number, height), passages in mapped(passages_of, read(), task.launch.texts):
        reading = readings[number]
        reading.cut += int((passages["part"] == 1).sum())
        reading.longer += int((passages["text"].str.len_chars() > task.corpus.passage_chars).sum())
        facts.read += height
        facts.passages += passages.height
        yield reading, _with_payload_columns(passages, number) if keeps_whole_rows(task) else passages
    for number, reading in enumerate(readings):
        facts.longer_than_a_passage += reading.longer
        facts.parts_not_text += reading.not_text
        facts.sources.append(reading.counts(f"candidates.{number}"))


def _with_payload_columns(rows: pl.DataFrame, candidate: int) -> pl.DataFrame:
    """Add the columns of `_PAYLOAD_COLUMNS`, null for rows of a source that does not keep whole rows."""
    missing = {name: pl.lit(None, kind) for name, kind in payloads.SCHEMA.items() if name not in rows.columns}
    return rows.with_columns(candidate=pl.lit(candidate, pl.Int64), **missing)


def _with_marks(rows: pl.DataFrame, sketch: Sketch, task: Task, near: NearDuplicates | None) -> pl.DataFrame:
    """Add the marks of near-duplicates and held-out rows, and the shingles."""
    marks: list[str | None] = [None] * rows.height
    stored: list[bytes] | list[None] = [None] * rows.height
    if near is not None and sketch.shingles is not None:
        marks, stored = near.mark(rows["id"].to_list(), *sketch.shingles), sketch.shingles[0].to_bytes()
    columns: dict[str, pl.Series] = {
        "duplicate_of": pl.Series(marks, dtype=pl.String),
        "shingles": pl.Series(stored, dtype=pl.Binary),
        "held_out": pl.Series(sketch.held_out, dtype=pl.Boolean),
    }
    marked = rows.with_columns(**columns)
    return marked.select(*_STORED, *(_PAYLOAD_COLUMNS if keeps_whole_rows(task) else ()))
