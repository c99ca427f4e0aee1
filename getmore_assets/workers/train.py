"""Build the base model, warm it up, fine-tune it, or do both for every selector and seed of a comparison.

Belongs here: reading texts from the lake, writing models and results. Does not: the phases (`training/phases.py`).
"""

import json
import math
import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import torch
from pydantic import Field

from getmore_assets.config import BAG_OF_WORDS, RANDOM_INIT, TARGET, Task
from getmore_assets.corpus import pool, readers
from getmore_assets.corpus.target import general_texts, guard_of, ids_of
from getmore_assets.errors import BadInput
from getmore_assets.json_models import Numbers
from getmore_assets.models import find_model
from getmore_assets.ranks import is_first, processes
from getmore_assets.records import write_atomically
from getmore_assets.training import attention, evaluators, language_models, phases
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.evaluators import Evaluator
from getmore_assets.training.fit import FitResult
from getmore_assets.training.probe import probe
from getmore_assets.training_facts import BaseModelFacts, FineTuningFacts, WarmUpFacts
from getmore_assets.workers import run
from getmore_assets.workers.contracts import OnPool
from getmore_assets.workers.training_contracts import (
    BaseSpec,
    Compared,
    ComparedRun,
    CompareSpec,
    FineTuneSpec,
    OnTarget,
    WarmsOn,
    WarmUpSpec,
)


def train(
    spec: Annotated[BaseSpec | WarmUpSpec | FineTuneSpec | CompareSpec, Field(discriminator="act")],
) -> BaseModelFacts | WarmUpFacts | FineTuningFacts | Compared:
    """Run the training command that `spec.act` names."""
    _require_devices(spec.task)
    match spec:
        case BaseSpec():
            return _base(spec)
        case WarmUpSpec():
            return _warm_up(spec)
        case FineTuneSpec():
            return _fine_tune(spec)
        case CompareSpec():
            return _compare(spec)


def _require_devices(task: Task) -> None:
    attention.require_installed(task.warmup.attention, "warmup.attention")
    attention.require_installed(task.finetune.attention, "finetune.attention")
    cards = torch.cuda.device_count()
    if 0 < cards < processes():
        what = f"{processes()} processes, where the machine has {cards} GPUs"
        raise BadInput("launch.train.processes", what, "Set it to at most their number")


def _length(task: Task) -> int:
    return max(task.warmup.max_length, task.finetune.max_length)


def _base(spec: BaseSpec) -> BaseModelFacts:
    task, folder, work, chosen = spec.task, spec.folder, spec.work / "checkpoints", spec.task.base_model
    texts = _pool_sample(spec, chosen.small.rows if chosen.model == "small" else chosen.head.rows)
    if chosen.model == "small":
        model, tokenizer, done = phases.make_small(chosen.small, chosen.objective, texts, _length(task), work)
        head: list[str] = []
    else:
        origin = _origin(task, folder)
        model, tokenizer, fitted, head = phases.load_base(origin, chosen, texts, task.warmup.max_length, work)
        done = fitted or FitResult(0, 0.0, [])
    if is_first():
        language_models.save(model, tokenizer, folder)
    return BaseModelFacts(
        parameters=model.num_parameters(),
        head_trained=head,
        rows=len(texts) if done.steps else 0,
        steps=done.steps,
        train_seconds=done.seconds,
        curve=done.curve,
    )


def _origin(task: Task, base: Path) -> Path:
    """Return the checkpoint that the base was trained from; the base itself where it was trained from scratch."""
    chosen = task.base_model.model
    return base if chosen == "small" else find_model(chosen, "base_model.model")


def _warm_up(spec: WarmUpSpec) -> WarmUpFacts:
    task = spec.task
    model, tokenizer, _ = language_models.load(spec.base, task.base_model.objective)
    work, started = spec.work / "checkpoints", time.monotonic()
    blocks, done = phases.warm_up(
        model,
        tokenizer,
        task.base_model.objective,
        _selected(spec),
        task.warmup,
        spec.seed,
        None,
        work,
    )
    seconds = time.monotonic() - started
    if is_first():
        language_models.save(model, tokenizer, spec.folder, work)
    return WarmUpFacts(
        blocks=len(blocks),
        tokens=blocks.tokens,
        rows=blocks.rows,
        warmup_seconds=seconds,
        steps=done.steps,
        train_seconds=done.seconds,
        curve=done.curve,
    )


def _fine_tune(spec: FineTuneSpec) -> FineTuningFacts:
    task = spec.task
    model, tokenizer, _ = language_models.load(spec.warmed, task.base_model.objective)
    held, work, started = _held(spec), spec.work / "checkpoints", time.monotonic()
    tuned, done, metrics = phases.fine_tune(
        model,
        tokenizer,
        task.base_model.objective,
        held.with_rows(task.finetune.rows, spec.seed),
        task.finetune,
        spec.seed,
        work,
        _judge(task, held),
    )
    seconds = time.monotonic() - started
    if is_first():
        language_models.save(tuned, tokenizer, spec.folder, work)
    return FineTuningFacts(
        metrics=metrics,
        finetune_seconds=seconds,
        steps=done.steps,
        train_seconds=done.seconds,
        curve=done.curve,
    )


def _compare(spec: CompareSpec) -> Compared:
    """Run a comparison. Each run has its own result file, so an interrupted comparison resumes with the next run."""
    _require_enough(spec)
    held = _held(spec)
    judge = _judge(spec.task, held)
    for number, one in enumerate(spec.runs, 1):
        if is_first():
            print(f"comparison: {one.selector}, seed {one.seed}", flush=True)
        work = spec.work / one.result.stem
        again = any(_start(later) == _start(one) for later in spec.runs[number:])
        found = _one(spec, one, held, judge, work, again)
        if is_first():
            write_atomically(one.result, json.dumps(found))
            shutil.rmtree(work, ignore_errors=True)
    return Compared(runs=len(spec.runs))


def _require_enough(spec: CompareSpec) -> None:
    """Refuse a selection with fewer blocks than it is compared at, before anything is trained."""
    _, tokenizer, _ = language_models.load(spec.base, spec.task.base_model.objective)
    wanted: dict[tuple[str, str], int] = {}
    for one in spec.runs:
        if one.warms:
            key = one.selector, one.warms.hash
            wanted[key] = max(one.warms.blocks, wanted.get(key, 0))  # runs on shares of the budget have fewer blocks
    for (name, hash_), blocks in wanted.items():
        texts = _texts(spec, WarmsOn(hash=hash_, blocks=blocks), tokenizer)
        there = len(Blocks(texts, tokenizer, spec.task.warmup.max_length, blocks))
        if there < blocks:
            what = f"fills {there} blocks of tokens, and the comparison needs {blocks}"
            raise BadInput(f"compare.{name}", what, "Lower selection.budget, or let the selector choose more rows")


def _texts(spec: CompareSpec, warms: WarmsOn, tokenizer: Any) -> list[str]:
    """Return the texts of a selection; for `target`, the train texts (TAPT), repeated until they fill the blocks."""
    if warms.hash != TARGET:
        return pool.texts_of(spec.raw_corpus, spec.task, spec.selections[warms.hash])
    rows = _target(spec).filter(pl.col("split") == "train").sort("row").select("text").collect()
    texts: list[str] = rows["text"].to_list()
    once = Blocks(texts, tokenizer, spec.task.warmup.max_length)
    return texts * (1 + math.ceil(warms.blocks * spec.task.warmup.max_length / once.tokens))


def _start(one: ComparedRun) -> tuple[WarmsOn | None, int]:
    """Return the key of a run's warmed model within a comparison."""
    return one.warms, one.seed


def _one(
    spec: CompareSpec, one: ComparedRun, held: phases.TargetSplits, judge: Evaluator | None, work: Path, again: bool
) -> Numbers:
    task, objective, seed = spec.task, spec.task.base_model.objective, one.seed
    started, held = time.monotonic(), held.with_rows(one.labels, seed)
    cost: Numbers = {"warmup_tokens": 0, "warmup_rows": 0, "warmup_seconds": 0.0}
    if one.selector == BAG_OF_WORDS:
        return {**phases.by_words_alone(held), **cost, "finetune_seconds": time.monotonic() - started}
    if one.warms:
        model, tokenizer, cost = _warmed(spec, one, one.warms, work, again)
        started = time.monotonic()
    elif one.selector == RANDOM_INIT:
        model, tokenizer = language_models.with_random_weights(spec.base, objective, seed)
    else:
        model, tokenizer, _ = language_models.load(spec.base, objective)
    _, _, metrics = phases.fine_tune(
        model, tokenizer, objective, held, task.finetune, seed, work / "fine-tuning", judge
    )
    return {**metrics, **cost, "finetune_seconds": time.monotonic() - started}


def _warmed(spec: CompareSpec, one: ComparedRun, warms: WarmsOn, work: Path, again: bool) -> tuple[Any, Any, Numbers]:
    """Return the base warmed up on a selection, and the cost; `again` keeps the model for runs with fewer labels."""
    objective, kept = spec.task.base_model.objective, spec.work / "warmed"
    folder = kept / f"{warms.hash}-{warms.blocks}-{one.seed}"
    noted = folder.with_suffix(".json")
    if folder.is_dir():
        model, tokenizer, _ = language_models.load(folder, objective)
        return model, tokenizer, json.loads(noted.read_text("utf-8"))
    started = time.monotonic()
    model, tokenizer, _ = language_models.load(spec.base, objective)
    texts, recipe = _texts(spec, warms, tokenizer), spec.task.warmup
    made, _ = phases.warm_up(model, tokenizer, objective, texts, recipe, one.seed, warms.blocks, work / "warm-up")
    seconds = time.monotonic() - started
    cost: Numbers = {"warmup_tokens": made.tokens, "warmup_rows": made.rows, "warmup_seconds": seconds}
    if is_first():
        shutil.rmtree(kept, ignore_errors=True)  # the model of earlier runs
        if again:
            kept.mkdir()
            write_atomically(noted, json.dumps(cost))
            language_models.save(model, tokenizer, folder)
    return model, tokenizer, cost


def _target(spec: OnPool) -> pl.LazyFrame:
    return spec.target_data.of_target(spec.task.name)


def _pool_sample(spec: OnPool, rows: int) -> list[str]:
    """Return texts of the pool with the smallest ids, without evaluation rows and rows that overlap these."""
    task, evaluated = spec.task, ids_of(spec.target_data, spec.task)
    held = pool.scan_pool(spec.raw_corpus, pool.pool_key(task))
    held = held.filter(pl.col("duplicate_of").is_null() & ~pl.col("held_out"))
    sample = held.select("id", "text").sort("id").head(rows + evaluated.height).collect()
    sample = sample.join(evaluated, on="id", how="anti", maintain_order="left")
    if task.leakage != "allow":
        guard = guard_of(_target(spec).select("split", "id", "text").collect())
        sample = sample.join(guard.leaks(sample), on="id", how="anti", maintain_order="left")
    return sample.head(rows)["text"].to_list()


def _selected(spec: WarmUpSpec) -> list[str]:
    chosen = spec.selected_subset.of_target(spec.task.name)
    return chosen.sort("rank").select("text").collect()["text"].to_list()


def _held(spec: OnTarget) -> phases.TargetSplits:
    rows = _target(spec).sort("split", "row").select("split", "text", "label").collect()

    def split(name: str) -> phases.Split:
        part = rows.filter(pl.col("split") == name)
        return phases.Split(part["text"].to_list(), part["label"].to_list())

    general, pairs = general_texts(spec.target_data, spec.raw_corpus, spec.task), spec.task.target.is_of_pairs
    return phases.TargetSplits(split("train"), split("validation"), split("test"), general, spec.classes, pairs)


def _judge(task: Task, held: phases.TargetSplits) -> Evaluator | None:
    """Return the task's evaluator of language models besides perplexity, or None."""
    found: list[Evaluator] = []
    if held.classes:
        found.append(lambda model, tokenizer: probe(model, tokenizer, held, task.finetune.max_length))
    if task.zero_shot:
        test = held.test.drawn(task.zero_shot.rows)
        found.append(evaluators.zero_shot(task.zero_shot, test.texts, test.labels, task.finetune.max_length))
    if task.toxicity:
        prompts = [text for batch in readers.read(task.toxicity.prompts) for text in batch["text"]]
        folder = find_model(task.toxicity.classifier, "toxicity.classifier")
        found.append(evaluators.toxicity(task.toxicity, folder, prompts))
    return (lambda *asked: {k: v for judge in found for k, v in judge(*asked).items()}) if found else None


if __name__ == "__main__":
    run(train)
