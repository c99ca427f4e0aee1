"""The texts of a training, read from the lake.

Belongs here: from tables to texts. Does not: the training (`train.py`).
"""

import math
from typing import Any

import polars as pl

from getmore_assets.config import TARGET, Task
from getmore_assets.corpus import pool
from getmore_assets.corpus.target import general_texts, guard_of, ids_of
from getmore_assets.lake import TableRef
from getmore_assets.training import phases
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.warmup_mix import OtherTexts
from getmore_assets.workers.training_contracts import CompareSpec, OnTarget, WarmsOn, WarmUpSpec


def of_train(target_data: TableRef, task: Task) -> list[str]:
    """Return the texts of target train, in order."""
    rows = target_data.of_target(task.name).filter(pl.col("split") == "train").sort("row").select("text").collect()
    return rows["text"].to_list()


def other_texts(task: Task, raw_corpus: TableRef | None, target_data: TableRef | None) -> OtherTexts | None:
    """Return the texts to mix into a warm-up beside the selected texts; None if the recipe mixes in none."""
    if not task.warmup.reads_more:
        return None
    assert raw_corpus and target_data
    return OtherTexts(of_train(target_data, task), lambda rows: pool_sample(task, raw_corpus, target_data, rows))


def pool_sample(task: Task, raw_corpus: TableRef, target_data: TableRef, rows: int) -> list[str]:
    """Return texts of the pool with the smallest ids, without evaluation rows and rows that overlap these."""
    evaluated = ids_of(target_data, task)
    held = pool.scan_pool(raw_corpus, pool.pool_key(task))
    held = held.filter(pl.col("duplicate_of").is_null() & ~pl.col("held_out"))
    sample = held.select("id", "text").sort("id").head(rows + evaluated.height).collect()
    sample = sample.join(evaluated, on="id", how="anti", maintain_order="left")
    if task.leakage != "allow":
        guard = guard_of(target_data.of_target(task.name).select("split", "id", "text").collect())
        sample = sample.join(guard.leaks(sample), on="id", how="anti", maintain_order="left")
    return sample.head(rows)["text"].to_list()


def selected(spec: WarmUpSpec) -> list[str]:
    """Return the texts of the selected subset, by rank."""
    chosen = spec.selected_subset.of_target(spec.task.name)
    return chosen.sort("rank").select("text").collect()["text"].to_list()


def held(spec: OnTarget) -> phases.TargetSplits:
    """Return the splits that a model is fine-tuned and evaluated on."""
    rows = spec.target_data.of_target(spec.task.name).sort("split", "row").select("split", "text", "label").collect()

    def split(name: str) -> phases.Split:
        part = rows.filter(pl.col("split") == name)
        return phases.Split(part["text"].to_list(), part["label"].to_list())

    general, pairs = general_texts(spec.target_data, spec.raw_corpus, spec.task), spec.task.target.is_of_pairs
    return phases.TargetSplits(split("train"), split("validation"), split("test"), general, spec.classes, pairs)


def compared(spec: CompareSpec, warms: WarmsOn, tokenizer: Any) -> list[str]:
    """Return the texts of a selection; for `target`, the train texts (TAPT), repeated until they fill the blocks."""
    if warms.hash != TARGET:
        return pool.texts_of(spec.raw_corpus, spec.task, spec.selections[warms.hash])
    texts = of_train(spec.target_data, spec.task)
    once = Blocks(texts, tokenizer, spec.task.warmup.max_length)
    return texts * (1 + math.ceil(warms.blocks * spec.task.warmup.max_length / once.tokens))
