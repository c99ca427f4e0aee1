"""Build the base model, warm it up, fine-tune it, or warm up and fine-tune for each run of a comparison.

Belongs here: writing models and results. Does not: reading texts (`training_texts.py`), or the phases
(`training/phases.py`).
"""

import json
import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from getmore_assets.config import BAG_OF_WORDS, RANDOM_INIT, Task
from getmore_assets.corpus import readers
from getmore_assets.device import best_device
from getmore_assets.errors import BadInput
from getmore_assets.json_models import Numbers
from getmore_assets.models import find_model
from getmore_assets.ranks import is_first, nodes, processes_here
from getmore_assets.records import write_atomically
from getmore_assets.training import attention, evaluators, language_models, phases
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.evaluators import Evaluator
from getmore_assets.training.fit import FitResult
from getmore_assets.training.probe import probe
from getmore_assets.training.sharded import take_from_first
from getmore_assets.training_facts import BaseModelFacts, FineTuningFacts, WarmUpFacts
from getmore_assets.workers import run, training_texts
from getmore_assets.workers.training_contracts import (
    BaseSpec,
    Compared,
    ComparedRun,
    CompareSpec,
    FineTuneSpec,
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
    if 0 < cards < processes_here():
        what = f"{processes_here()} processes, where the machine has {cards} GPUs"
        raise BadInput("launch.train.processes", what, "Set it to at most their number")


def _length(task: Task) -> int:
    return max(task.warmup.max_length, task.finetune.max_length)


def _base(spec: BaseSpec) -> BaseModelFacts:
    task, folder, work, chosen = spec.task, spec.folder, spec.work / "checkpoints", spec.task.base_model
    strategy, rows = task.launch.train.strategy, chosen.small.rows if chosen.model == "small" else chosen.head.rows
    texts = training_texts.pool_sample(task, spec.raw_corpus, spec.target_data, rows)
    if chosen.model == "small":
        length = _length(task)
        model, tokenizer, done = phases.make_small(chosen.small, chosen.objective, texts, length, work, strategy)
        head: list[str] = []
    else:
        origin = _origin(task, folder)
        length = task.warmup.max_length
        model, tokenizer, fitted, head = phases.load_base(origin, chosen, texts, length, work, strategy)
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
    work, started, objective = spec.work / "checkpoints", time.monotonic(), task.base_model.objective
    strategy = task.launch.train.strategy
    others = training_texts.other_texts(task, spec.raw_corpus, spec.target_data)
    blocks, done = phases.warm_up(
        model,
        tokenizer,
        objective,
        training_texts.selected(spec),
        task.warmup,
        spec.seed,
        None,
        work,
        strategy,
        others,
    )
    if others and task.warmup.then_target:
        _then_target(model, tokenizer, others.target, task, spec.seed, spec.work)
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


def _then_target(model: Any, tokenizer: Any, texts: list[str], task: Task, seed: int, work: Path) -> None:
    """Train a model in place once on the target's own text (TAPT)."""
    objective, strategy, name = task.base_model.objective, task.launch.train.strategy, "target's own text"
    phases.warm_up(
        model, tokenizer, objective, texts, task.warmup, seed, None, work / "then-target", strategy, name=name
    )


def _fine_tune(spec: FineTuneSpec) -> FineTuningFacts:
    task = spec.task
    model, tokenizer, _ = language_models.load(spec.warmed, task.base_model.objective)
    held, work, started = training_texts.held(spec), spec.work / "checkpoints", time.monotonic()
    tuned, done, metrics = phases.fine_tune(
        model,
        tokenizer,
        task.base_model.objective,
        held.with_rows(task.finetune.rows, spec.seed),
        task.finetune,
        spec.seed,
        work,
        _judge(task, held),
        task.launch.train.strategy,
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
    held = training_texts.held(spec)
    judge = _judge(spec.task, held)
    for number, one in enumerate(spec.runs, 1):
        if is_first():
            print(f"comparison: {one.selector}, seed {one.seed}", flush=True)
        work = spec.work / one.result.stem
        kept, again = (_start(one) in map(_start, runs) for runs in (spec.runs[: number - 1], spec.runs[number:]))
        found = _one(spec, one, held, judge, work, kept, again)
        if is_first():
            write_atomically(one.result, json.dumps(found))
            shutil.rmtree(work, ignore_errors=True)
    return Compared(runs=len(spec.runs))


def _require_enough(spec: CompareSpec) -> None:
    """Refuse a selection with fewer blocks than the comparison needs, before anything is trained."""
    _, tokenizer, _ = language_models.load(spec.base, spec.task.base_model.objective)
    wanted: dict[tuple[str, str], int] = {}
    for one in spec.runs:
        if one.warms:
            key = one.selector, one.warms.hash
            wanted[key] = max(one.warms.blocks, wanted.get(key, 0))  # runs on shares of the budget have fewer blocks
    for (name, hash_), blocks in wanted.items():
        texts = training_texts.compared(spec, WarmsOn(hash=hash_, blocks=blocks), tokenizer)
        there = len(Blocks(texts, tokenizer, spec.task.warmup.max_length, blocks))
        if there < blocks:
            what = f"fills {there} blocks of tokens, and the comparison needs {blocks}"
            raise BadInput(f"compare.{name}", what, "Lower selection.budget, or let the selector choose more rows")


def _start(one: ComparedRun) -> tuple[WarmsOn | None, int]:
    """Return the key of a run's warmed model within a comparison."""
    return one.warms, one.seed


def _one(
    spec: CompareSpec,
    one: ComparedRun,
    held: phases.TargetSplits,
    judge: Evaluator | None,
    work: Path,
    kept: bool,
    again: bool,
) -> Numbers:
    task, objective, seed = spec.task, spec.task.base_model.objective, one.seed
    started, held = time.monotonic(), held.with_rows(one.labels, seed)
    cost: Numbers = {"warmup_tokens": 0, "warmup_rows": 0, "warmup_seconds": 0.0}
    if one.selector == BAG_OF_WORDS:
        return {**phases.by_words_alone(held), **cost, "finetune_seconds": time.monotonic() - started}
    if one.warms:
        model, tokenizer, cost = _warmed(spec, one, one.warms, work, kept, again)
        started = time.monotonic()
    elif one.selector == RANDOM_INIT:
        model, tokenizer = language_models.with_random_weights(spec.base, objective, seed)
    else:
        model, tokenizer, _ = language_models.load(spec.base, objective)
    if task.warmup.then_target and one.selector != RANDOM_INIT:
        _then_target(model, tokenizer, training_texts.of_train(spec.target_data, task), task, seed, work)
    _, _, metrics = phases.fine_tune(
        model,
        tokenizer,
        objective,
        held,
        task.finetune,
        seed,
        work / "fine-tuning",
        judge,
        task.launch.train.strategy,
    )
    return {**metrics, **cost, "finetune_seconds": time.monotonic() - started}


def _warmed(
    spec: CompareSpec, one: ComparedRun, warms: WarmsOn, work: Path, kept: bool, again: bool
) -> tuple[Any, Any, Numbers]:
    """Return the base warmed up on a selection, and the cost.

    `again` keeps the model for runs with fewer labels, and `kept` says that these processes have kept it. Several nodes
    may share no folder: then all of them get the weights from rank 0, and no model of an earlier attempt is used.
    """
    objective, place = spec.task.base_model.objective, spec.work / "warmed"
    folder = place / f"{warms.hash}-{warms.blocks}-{one.seed}"
    noted = folder.with_suffix(".json")
    if kept or (nodes() == 1 and folder.is_dir()):
        is_here = folder.is_dir()
        model, tokenizer, _ = language_models.load(folder if is_here else spec.base, objective)
        if nodes() > 1:
            take_from_first(model.parameters(), best_device())
        return model, tokenizer, json.loads(noted.read_text("utf-8")) if is_here else {}
    started = time.monotonic()
    model, tokenizer, _ = language_models.load(spec.base, objective)
    texts, recipe = training_texts.compared(spec, warms, tokenizer), spec.task.warmup
    others = training_texts.other_texts(spec.task, spec.raw_corpus, spec.target_data)
    trained, strategy = work / "warm-up", spec.task.launch.train.strategy
    made, _ = phases.warm_up(
        model, tokenizer, objective, texts, recipe, one.seed, warms.blocks, trained, strategy, others
    )
    seconds = time.monotonic() - started
    cost: Numbers = {"warmup_tokens": made.tokens, "warmup_rows": made.rows, "warmup_seconds": seconds}
    if is_first():
        shutil.rmtree(place, ignore_errors=True)  # the model of earlier runs
        if again:
            place.mkdir()
            write_atomically(noted, json.dumps(cost))
            language_models.save(model, tokenizer, folder)
    return model, tokenizer, cost


def _judge(task: Task, held: phases.TargetSplits) -> Evaluator | None:
    """Return the task's evaluator of language models besides perplexity, or None."""
    found: list[Evaluator] = []
    if held.classes:
        found.append(lambda model, tokenizer: probe(model, tokenizer, held, task.finetune.max_length))
    if task.zero_shot:
        test = held.test.sampled(task.zero_shot.rows)
        found.append(evaluators.zero_shot(task.zero_shot, test.texts, test.labels, task.finetune.max_length))
    if task.toxicity:
        prompts = [text for batch in readers.read(task.toxicity.prompts) for text in batch["text"]]
        folder = find_model(task.toxicity.classifier, "toxicity.classifier")
        found.append(evaluators.toxicity(task.toxicity, folder, prompts))
    return (lambda *asked: {k: v for judge in found for k, v in judge(*asked).items()}) if found else None


if __name__ == "__main__":
    run(train)
