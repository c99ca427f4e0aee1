"""Encode the texts of pool and target that have no vector yet.

Belongs here: the loop over missing rows, in shards. Does not: encoders, or when vectors are committed (`store.py`).
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.config import BROUGHT, LEXICAL, LEXICAL_SAMPLE, Task, Texts
from getmore_assets.corpus import candidates, pool, pool_rows, readers
from getmore_assets.corpus.target import COMPARED
from getmore_assets.encoders import Encoder, fits, make_encoder, remote, store, unit_length
from getmore_assets.lake import Lake, TableRef
from getmore_assets.parallel import end_processes, mapped
from getmore_assets.pieces import batches, vectors_of
from getmore_assets.progress import progress
from getmore_assets.workers import run
from getmore_assets.workers.contracts import Embedded, EmbedSpec, OnPool

_READ_AT_ONCE = 8192
_IDS_AT_ONCE = 2**16
# Rows that are encoded at once. Models take a second for so many; without a model, larger matrices are faster.
_SHARD_ROWS, _SHARD_ROWS_WITHOUT_MODEL = 1024, _READ_AT_ONCE


@dataclass(frozen=True)
class EncodedTable:
    """The embeddings table after `fill`.

    Attributes:
        table: The table at its version.
        encoder: The key of the vectors.
        encoded: Number of rows whose vectors were added.
        reused: Number of rows that had vectors already.
        without: Number of rows without a vector, because the encoder knows no token of their texts.
    """

    table: TableRef
    encoder: str
    encoded: int
    reused: int
    without: int


def embed(spec: EmbedSpec) -> Embedded:
    """Encode every candidate of the kept domains, and every point of the target."""
    started = time.monotonic()
    kept = candidates.kept_domains(spec.domain_triage, spec.task).lazy()
    rows = may_be_candidates(spec.task, spec.raw_corpus)
    filled = fill(spec, rows.join(kept, on="domain", how="semi").select("id", "text"))
    done = Embedded(
        version=filled.table.version,
        encoder=filled.encoder,
        encoded=filled.encoded,
        reused=filled.reused,
        without_vector=filled.without,
        seconds=time.monotonic() - started,
    )
    why = fits.refitted(spec.task, Lake(spec.lake))
    return done.model_copy(update={"refitted": why}) if why else done


def may_be_candidates(task: Task, raw_corpus: TableRef) -> pl.LazyFrame:
    """Return the rows of the pool (id, text, domain) that may be candidates: no copies, none held out."""
    rows = pool.scan_pool(raw_corpus, pool.pool_key(task))
    return rows.filter(pl.col("duplicate_of").is_null() & ~pl.col("held_out")).select("id", "text", "domain")


def fill(spec: OnPool, wanted: pl.LazyFrame) -> EncodedTable:
    """Encode those rows of the pool, and those of the target's points, that have no vector yet.

    Args:
        spec: The spec, with the task's encoder and the lake of the table of vectors.
        wanted: id and text of the rows of the pool.
    """
    task, lake = spec.task, Lake(spec.lake)
    points = spec.target_data.of_target(task.name).filter(pl.col("split").is_in(COMPARED))
    points = points.select("id", "text").unique("id").collect().lazy()
    in_pool = wanted.select("id").join(points.select("id"), on="id", how="semi").collect().lazy()
    both = [wanted, points.join(in_pool, on="id", how="anti")]
    count = sum(each.select(pl.len()).collect().item() for each in both)
    rows = may_be_candidates(task, spec.raw_corpus) if task.encoder.model == LEXICAL else None
    key, fitted, encoder = fits.ready(task, lake, lambda: _to_fit_on(spec), pl.concat([wanted, points]), rows)
    # Of two tasks on one pool, the second waits, and then finds the vectors. On hosts that do not share locks, both
    # encode, and one of them writes.
    with lake.lock("encode", key), store.Writer(lake, key, spec.commit) as writer:
        ids = pl.concat([each.select("id") for each in both])
        missing = sum(writer.lacks(batch).height for batch in batches(ids, _IDS_AT_ONCE))
        if missing:
            with progress(missing, "encoding", "row") as bar:
                for done, vectors in _encoded(task, fitted, encoder, both, writer):
                    writer.add(done, vectors)
                    bar.update(len(done))
    table = lake.latest(store.TABLE)
    assert table is not None
    none = store.without_vector(table, key).lazy()
    without = ids.join(none, on="id", how="semi").select(pl.len()).collect().item()
    return EncodedTable(table, key, writer.written, count - writer.written - without, without)


def _encoded(
    task: Task, fitted: Path, encoder: Encoder | None, rows: list[pl.LazyFrame], writer: store.Writer
) -> Iterator[tuple[list[str], Any]]:
    if task.encoder.model == BROUGHT:
        yield from _brought(task, pl.concat([writer.lacks(each.select("id").collect()) for each in rows]))
        return
    size = _SHARD_ROWS_WITHOUT_MODEL if task.encoder.model == LEXICAL else _SHARD_ROWS
    shards = _shards(rows, writer, size)
    if task.launch.embed and task.launch.embed.ray:
        yield from remote.encoded(task, fitted, shards)
    elif task.encoder.model == LEXICAL:
        place = Texts(processes=task.launch.texts.processes)
        try:
            yield from mapped(partial(_lexical, fitted), ((ids, (texts,)) for ids, texts in shards), place)
        finally:
            end_processes()
    else:
        here = encoder or make_encoder(task, fitted, [])
        yield from ((ids, here.encode(texts)) for ids, texts in shards)


def _lexical(fitted: Path, texts: list[str]) -> np.ndarray:
    return _loaded(fitted, fitted.stat().st_mtime_ns).encode(texts)


@lru_cache(maxsize=1)  # each process reads a file once, and again after a new fit
def _loaded(fitted: Path, _changed: int) -> Encoder:
    from getmore_assets.encoders.lexical import LexicalEncoder

    return LexicalEncoder.load_or_fit(fitted, [], 0)


def _shards(rows: list[pl.LazyFrame], writer: store.Writer, size: int) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the ids and texts of rows that are not encoded yet, at most `size` at once; ids are unique."""
    for frame in rows:
        for batch in batches(frame, _READ_AT_ONCE):
            for shard in writer.lacks(batch).sort("id").iter_slices(size):
                yield shard["id"].to_list(), shard["text"].to_list()


def _to_fit_on(spec: OnPool) -> list[str]:
    if spec.task.encoder.model == LEXICAL:
        rows = may_be_candidates(spec.task, spec.raw_corpus)
        last = rows.select("id").bottom_k(LEXICAL_SAMPLE, by="id").max().collect().item()
        rows = rows.filter(pl.col("id") <= last).sort("id")  # filter first, or every text would be sorted
    else:
        rows = spec.target_data.of_target(spec.task.name).filter(pl.col("split") == "train").sort("row")
    return rows.select("text").collect()["text"].to_list()


def _brought(task: Task, missing: pl.DataFrame) -> Iterator[tuple[list[str], Any]]:
    of_target = (task.target.source("train"), task.target.source("negative"))
    for source in [*task.candidates, *(source for source in of_target if source)]:
        for batch in readers.read(source):
            todo = pool_rows.passages_of(batch, None).join(missing, on="id").unique("id", keep="first")
            if todo.height:
                missing = missing.join(todo, on="id", how="anti")
                vectors = vectors_of(todo.with_columns(pl.col("vector").cast(pl.List(pl.Float32))))
                yield todo["id"].to_list(), unit_length(vectors)


if __name__ == "__main__":
    run(embed)
