"""`raw_corpus`: the candidate pool as a Delta table, one row per content id.

Belongs here: reading the sources into the table, writing only what is new, and reading the pool back. Does not: which
rows a target may choose from (`candidates.py`).
"""

import json
import logging
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from getmore_assets.config import Source, Task
from getmore_assets.corpus import payloads, readers
from getmore_assets.corpus.duplicates import NearDuplicates
from getmore_assets.corpus.id_index import IdIndex, KnownRows, marks_of
from getmore_assets.corpus.identity import content_id, draw, fingerprint, hash_lines
from getmore_assets.corpus.passages import clean, cut
from getmore_assets.corpus.reading import Reading, SourceCounts
from getmore_assets.corpus.shingles import VERSION, Shingles
from getmore_assets.corpus.tokens import token_counts
from getmore_assets.delta_versions import Seen
from getmore_assets.errors import BadInput
from getmore_assets.facts import Facts
from getmore_assets.lake import Lake, TableRef, batches
from getmore_assets.records import write_atomically

log = logging.getLogger(__name__)

TABLE = "raw_corpus"
_READS = 5  # how often a pool that another process writes meanwhile is read
_STORED = ["id", "text", "source", "domain", "n_tokens", "duplicate_of", "held_out", "origin", "shingles"]
# Of a pool that keeps rows whole: which source a row is of, and the row.
_KEPT = {"candidate": pl.Int64, **payloads.SCHEMA}


class PoolFacts(Facts):
    """Counts of rows, in all and by source; the pool's key, and a version of the rows held out as general text."""

    pool: str = ""
    read: int = 0
    passages: int = 0
    exact_duplicates: int = 0
    near_duplicates: int = 0
    written: int = 0
    removed: int = 0
    longer_than_a_passage: int = 0  # and kept whole
    parts_not_text: int = 0  # of messages: images, audio
    rows: int = 0
    domains: dict[str, int] = Field(default_factory=dict)
    held_out_version: str = ""
    sources: list[SourceCounts] = Field(default_factory=list)


def keeps_whole_rows(task: Task) -> bool:
    """Whether some source's rows are kept as they stand there, beside their texts."""
    return any(source.whole_rows for source in task.candidates)


def reading_of(source: Source, task: Task) -> Reading:
    """A reading of one of the pool's sources."""
    return Reading(source, cuts=longest_of(source, task) is not None)


def longest_of(source: Source, task: Task) -> int | None:
    """The most characters of a passage of a source; None where its rows are not cut."""
    # A brought vector stands for a whole row.
    return None if source.vector or source.whole_rows else task.corpus.passage_chars


def pool_key(task: Task) -> str:
    """Names a pool: tasks with the same sources and cleaning share its rows and their vectors."""
    return fingerprint([readers.same_but_version(s) for s in task.candidates], task.corpus)[:16]


def source_version(task: Task, seen: Seen | None = None) -> str:
    """Changes when, and only when, what the sources hold may have changed; `seen` as in `readers.data_version`."""
    return fingerprint([readers.data_version(source, seen) for source in task.candidates])


def scan_pool(table: TableRef, key: str) -> pl.LazyFrame:
    """The rows of one pool at one version."""
    return table.scan().filter(pl.col("pool") == key)


def texts_of(table: TableRef, task: Task, ids: list[str]) -> list[str]:
    """The texts of some rows of a pool, in their order.

    Raises:
        LookupError: The pool does not hold one.
    """
    wanted = pl.DataFrame({"id": ids}, schema={"id": pl.String})
    rows = scan_pool(table, pool_key(task)).select("id", "text")
    found = rows.join(wanted.lazy(), on="id", how="semi").collect()
    met = wanted.join(found, on="id", how="left", maintain_order="left")
    if met["text"].null_count() or met.height != wanted.height:
        raise LookupError(f"{met['text'].null_count()} of {len(ids)} ids are not in raw_corpus")
    return met["text"].to_list()


def is_held_out(id_: str, task: Task) -> bool:
    """Whether a row is kept as general text to measure forgetting on; it depends on nothing but its content."""
    return draw(id_, "held-out") < task.corpus.held_out


def passages_of(rows: pl.DataFrame, longest: int | None) -> pl.DataFrame:
    """Rows cleaned and cut, with their content ids, and the number of each `part`; `longest` None keeps rows whole."""
    cleaned = [clean(text) for text in rows["text"]]
    pieces = [[text] if longest is None else cut(text, longest) for text in cleaned]
    numbers = np.repeat(np.arange(rows.height), [len(p) for p in pieces])
    texts = [text for p in pieces for text in p]
    parts = pl.Series("part", [n for p in pieces for n in range(len(p))], dtype=pl.Int64)
    return rows[numbers.tolist()].with_columns(
        pl.Series("text", texts, dtype=pl.String),
        pl.Series("id", [content_id(text) for text in texts], dtype=pl.String),
        token_counts(pl.Series("n_tokens", texts, dtype=pl.String)),
        parts,
        pl.when(parts > 0).then(pl.col("origin") + "#" + parts.cast(pl.String)).otherwise("origin").alias("origin"),
    )


def build(task: Task, lake: Lake, commit: dict[str, str]) -> tuple[TableRef, str, PoolFacts]:
    """Bring the table in line with the sources; rows that are there already are not written again.

    Where rows left the sources, or their source or domain changed, the pool is written anew, so that no mark depends on
    a row that is gone.

    Returns:
        The table's version, the data version (a hash of ids and marks, whatever their order), and the counts.
    """
    key = pool_key(task)
    files = [readers.files(source) for source in task.candidates]
    noted = lake.folder("pools") / f"{key}.json"
    only = _files_to_read(files, noted, lake, key)
    if not _is_of_this_version(noted):
        if lake.latest(TABLE) is not None:
            log.info("pool: its counts and shingles are of another definition of a token: writing it anew")
            lake.delete_where(TABLE, f"pool = '{key}'", commit)
        # From now on, before any row: a reading that is killed goes on.
        write_atomically(noted, json.dumps({"files": [], "rows": None, "shingles": VERSION}))
    for _ in range(_READS):
        read = _append_new(task, lake, key, commit, only)
        if read.gone or read.changed or read.doubled:
            log.info("pool: %d rows left, %d changed, %d stood twice: writing it anew", *read.counts())
            removed = read.gone
            lake.delete_where(TABLE, f"pool = '{key}'", commit)
            read = _append_new(task, lake, key, commit, None)
            read.facts.removed = removed
        table = lake.latest(TABLE)
        assert table is not None, "preflight refuses an empty pool"
        rows = scan_pool(table, key).select("id", *_marks(task), "duplicate_of", "held_out").sort("id").collect()
        if rows.height == len(read.ids) and (read.ids.find(rows["id"]) >= 0).all():
            break
        log.info("pool: another process wrote it meanwhile: looking again")
        only = None
    else:
        fix = "Let one process at a time write a pool that shrinks or changes"
        raise BadInput(TABLE, f"another process wrote the pool during {_READS} readings", fix)
    facts = read.facts
    write_atomically(noted, json.dumps({"files": files, "rows": rows.height, "shingles": VERSION}))
    facts.rows = rows.height
    facts.near_duplicates = rows["duplicate_of"].len() - rows["duplicate_of"].null_count()
    held_out = rows.filter(pl.col("held_out") & pl.col("duplicate_of").is_null())
    facts.held_out_version = hash_lines(held_out["id"])
    facts.domains = dict(rows["domain"].value_counts(sort=True).rows())
    return table, hash_lines("|".join(map(str, row)) for row in rows.iter_rows()), facts


@dataclass
class _Read:
    """One reading of the sources into the table.

    Attributes:
        facts: Counts of rows.
        ids: Every id that the pool holds by the sources.
        gone: Rows of the table that the sources hold no more.
        changed: Rows whose source, domain or whole row is another now.
        doubled: Rows that stood in the table more than once.
    """

    facts: PoolFacts
    ids: IdIndex
    gone: int
    changed: int
    doubled: int

    def counts(self) -> tuple[int, int, int]:
        """What makes it necessary to write the pool anew."""
        return self.gone, self.changed, self.doubled


def _is_of_this_version(noted: Path) -> bool:
    return noted.is_file() and json.loads(noted.read_text("utf-8")).get("shingles") == VERSION


def _files_to_read(files: list[dict[str, str] | None], read: Path, lake: Lake, key: str) -> list[set[str]] | None:
    """Of each source, the files that came since the pool was last read whole; None where all must be read again.

    Args:
        files: Of each source, with their hashes.
        read: What was noted when the pool was last whole: its files, and how many rows came of them.
        lake: Where the pool is.
        key: Its name.
    """
    table = lake.latest(TABLE)
    if table is None or not _is_of_this_version(read):
        return None
    then = json.loads(read.read_text("utf-8"))
    rows = scan_pool(table, key).select(pl.len()).collect().item()
    return readers.new_files(files, then["files"]) if then["rows"] == rows else None


def _append_new(task: Task, lake: Lake, key: str, commit: dict[str, str], only: list[set[str]] | None) -> _Read:
    """Append the rows that are new, and count the known rows that left or changed.

    With `only`, the files of each source that are read, the others are as they were, and so are their rows.
    """
    facts, changed, alike = PoolFacts(pool=pool_key(task)), 0, task.corpus.near_duplicates
    writer = lake.keyed(TABLE, ("pool", key), "id", commit)
    with NearDuplicates(alike, lake.folder("pools")) if alike else nullcontext() as near:
        known = _known(task, lake, key, near)
        met = np.zeros(len(known.ids), np.bool_)
        seen = IdIndex() if only is None else known.ids
        for reading, batch in _rows(task, facts, only):
            unique = batch.unique("id", keep="first", maintain_order=True)
            unique = unique.filter(pl.Series(seen.find(unique["id"]) < 0))
            places = known.ids.find(unique["id"])
            reading.folded += batch.height - unique.height
            facts.exact_duplicates += batch.height - unique.height
            seen.add(unique["id"])
            held = places >= 0
            met[places[held]] = True
            changed += int((known.marks[places[held]] != marks_of(unique.select(_marks(task)))[held]).sum())
            if not held.all():
                facts.written += writer.add(_marked(unique.filter(pl.Series(~held)), task, near))
            log.info("pool: %d rows read, %d new", facts.read, facts.written)
    return _Read(facts, seen, int((~met).sum()) if only is None else 0, changed, known.doubled)


def _marks(task: Task) -> list[str]:
    """The columns in which a row of the same id is another."""
    return ["source", "domain", *(["payload_hash"] if keeps_whole_rows(task) else [])]


def _known(task: Task, lake: Lake, key: str, near: NearDuplicates | None) -> KnownRows:
    """The rows that the table holds already; those that are no copies go into the index of near-duplicates."""
    table, columns = lake.latest(TABLE), ["id", *_marks(task)]
    if table is None or not {*columns, "shingles"} <= set(table.scan().collect_schema()):
        return KnownRows.of([])
    held = scan_pool(table, key)
    if near is not None:
        originals = held.filter(pl.col("duplicate_of").is_null())
        for batch in batches(originals.select("id", "shingles"), readers.BATCH_ROWS):
            near.add_known(batch["id"].to_list(), Shingles.from_bytes(batch["shingles"].to_list()))
    return KnownRows.of(batches(held.select(columns), readers.BATCH_ROWS))


def _rows(task: Task, facts: PoolFacts, only: list[set[str]] | None) -> Iterator[tuple[Reading, pl.DataFrame]]:
    for number, source in enumerate(task.candidates):
        reading = reading_of(source, task)
        for rows in readers.read(source, only[number] if only is not None else None, reading):
            cut_up = passages_of(rows, longest_of(source, task))
            reading.cut += int((cut_up["part"] == 1).sum())
            reading.longer += int((cut_up["text"].str.len_chars() > task.corpus.passage_chars).sum())
            facts.read += rows.height
            facts.passages += cut_up.height
            yield reading, _kept(cut_up, number) if keeps_whole_rows(task) else cut_up
        facts.longer_than_a_passage += reading.longer
        facts.parts_not_text += reading.not_text
        facts.sources.append(reading.counts(f"candidates.{number}"))


def _kept(rows: pl.DataFrame, candidate: int) -> pl.DataFrame:
    """Rows with the columns of `_KEPT`: null where their source is not kept whole."""
    missing = {name: pl.lit(None, kind) for name, kind in payloads.SCHEMA.items() if name not in rows.columns}
    return rows.with_columns(candidate=pl.lit(candidate, pl.Int64), **missing)


def _marked(rows: pl.DataFrame, task: Task, near: NearDuplicates | None) -> pl.DataFrame:
    ids = rows["id"].to_list()
    marks: list[str | None] = [None] * len(ids)
    stored: list[bytes] | list[None] = [None] * len(ids)
    if near is not None:
        shingles = Shingles.of(rows["text"])
        marks, stored = near.mark(ids, shingles), shingles.to_bytes()
    columns: dict[str, Any] = {
        "duplicate_of": pl.Series(marks, dtype=pl.String),
        "shingles": pl.Series(stored, dtype=pl.Binary),
        "held_out": [is_held_out(i, task) for i in ids],
    }
    made = rows.with_columns(*(pl.Series(n, v) for n, v in columns.items()))
    return made.select(*_STORED, *(_KEPT if keeps_whole_rows(task) else ()))
