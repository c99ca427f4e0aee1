"""Encode the texts of pool and target that have no vector yet.

Belongs here: the loop over missing rows, in shards that each are one commit. Does not: encoders.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from tqdm import tqdm

from getmore_assets.config import BROUGHT, Task
from getmore_assets.corpus import pool, readers
from getmore_assets.encoders import make_encoder, store, unit_length
from getmore_assets.lake import Lake, TableRef, batches, vectors_of
from getmore_assets.workers import run

SHARD_ROWS = 1024
LEXICAL_SAMPLE = 20_000


def embed(spec: dict[str, Any]) -> dict[str, Any]:
    """Give every candidate and every row of target train a vector.

    Returns:
        version (of the table), encoded, reused (rows), and seconds.
    """
    task, lake = Task.model_validate(spec["task"]), Lake(spec["lake"])
    started = time.monotonic()
    rows = wanted_rows(task, TableRef(**spec["raw_corpus"]), TableRef(**spec["target_data"]))
    has = store.encoded_ids(lake.latest(store.TABLE), spec["encoder"])
    wanted = pl.concat([frame.select("id").collect() for frame in rows]).unique()
    missing = wanted.join(has, on="id", how="anti")
    if missing.height:
        with tqdm(total=missing.height, desc="encoding", unit="row", mininterval=5) as progress:
            for ids, vectors in _encoded(task, rows, missing, Path(spec["fitted"])):
                store.add(lake, spec["encoder"], ids, vectors, spec["commit"])
                progress.update(len(ids))
    table = lake.latest(store.TABLE)
    assert table is not None
    return {
        "version": table.version,
        "encoded": missing.height,
        "reused": wanted.height - missing.height,
        "seconds": time.monotonic() - started,
    }


def wanted_rows(task: Task, raw_corpus: TableRef, target_data: TableRef) -> list[pl.LazyFrame]:
    """The rows that need a vector (id, text): candidates that are no copies, and the target's train split."""
    candidates = pool.scan_pool(raw_corpus, pool.pool_key(task))
    candidates = candidates.filter(pl.col("duplicate_of").is_null() & ~pl.col("held_out"))
    train = target_data.scan().filter((pl.col("target") == task.name) & (pl.col("split") == "train"))
    return [candidates.select("id", "text"), train.select("id", "text")]


def _encoded(
    task: Task, rows: list[pl.LazyFrame], missing: pl.DataFrame, fitted: Path
) -> Iterator[tuple[list[str], Any]]:
    if task.encoder.model == BROUGHT:
        yield from _brought(task, missing)
        return
    sample = (
        [] if fitted.is_file() else rows[0].sort("id").head(LEXICAL_SAMPLE).select("text").collect()["text"].to_list()
    )
    encoder = make_encoder(task, fitted, sample)
    for frame in rows:
        for batch in batches(frame, SHARD_ROWS):
            todo = batch.join(missing, on="id", how="semi", maintain_order="left").unique("id", keep="first")
            if todo.height:
                missing = missing.join(todo, on="id", how="anti")
                todo = todo.sort("id")
                yield todo["id"].to_list(), encoder.encode(todo["text"].to_list())


def _brought(task: Task, missing: pl.DataFrame) -> Iterator[tuple[list[str], Any]]:
    train = task.target.source("train")
    assert train is not None
    for source in [*task.candidates, train]:
        for batch in readers.read(source):
            todo = pool.passages_of(batch, None).join(missing, on="id", how="semi").unique("id", keep="first")
            if todo.height:
                missing = missing.join(todo, on="id", how="anti")
                vectors = vectors_of(todo.with_columns(pl.col("vector").cast(pl.List(pl.Float32))))
                yield todo["id"].to_list(), unit_length(vectors)


if __name__ == "__main__":
    run(embed)
