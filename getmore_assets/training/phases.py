"""The phases of a model's training, in order: build the base, warm it up, fine-tune it, evaluate it.

Belongs here: each phase, given texts, models and recipes. Does not: where texts come from or where models are saved.
"""

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from transformers import set_seed

from getmore_assets.config import BaseModelChoice, FineTuning, Small, Strategy, Training, WarmUp
from getmore_assets.corpus.identity import sampling_number
from getmore_assets.ranks import is_first
from getmore_assets.training import bag_of_words, classifier, evaluation, language_models
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.evaluators import Evaluator
from getmore_assets.training.fit import FitResult, fit
from getmore_assets.training.rates import best_of
from getmore_assets.training.warmup_mix import OtherTexts, mixed_blocks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """Texts, and their labels where the task has any."""

    texts: list[str]
    labels: list[str]

    def sampled(self, rows: int | None, seed: int = 0) -> "Split":
        """Return a sample of at most `rows` rows, which depends on content and seed.

        The sample is the same for every model, and a smaller sample is part of a larger one. A row's random number
        depends only on the row and on the number of equal rows before it.
        """
        if rows is None or rows >= len(self.texts):
            return self
        kept = self.sampled_indices(rows, seed)
        return Split([self.texts[at] for at in kept], [self.labels[at] for at in kept])

    def sampled_indices(self, rows: int, seed: int) -> list[int]:
        """Return the indices of the sampled rows, in order; see `sampled`."""
        copies: Counter[tuple[str, str]] = Counter()
        numbers: list[float] = []
        salt = f"labels-{seed}" if seed else "labels"
        for text, label in zip(self.texts, self.labels, strict=True):
            numbers.append(sampling_number(f"{copies[text, label]} {label} {text}", salt))
            copies[text, label] += 1
        return sorted(sorted(range(len(numbers)), key=numbers.__getitem__)[:rows])


@dataclass(frozen=True)
class TargetSplits:
    """The texts on which a model is fine-tuned and evaluated. `classes` is empty where the task is language modelling.

    `pairs` says that each text consists of two texts, which a classifier reads as a pair.
    """

    train: Split
    validation: Split
    test: Split
    general: list[str]
    classes: list[str]
    pairs: bool = False

    def with_rows(self, rows: int | None, seed: int) -> "TargetSplits":
        """Return the splits with at most `rows` rows of train.

        Each seed draws another sample, so that intervals over seeds include the sampling noise.
        """
        return replace(self, train=self.train.sampled(rows, seed))


def recipe_of(of: Any, length: int) -> Training:
    """Return the recipe of a small model or of a head, in blocks of `length` tokens."""
    fields = {name: getattr(of, name) for name in ("epochs", "learning_rate", "batch_size")}
    return Training(**fields, max_length=length)


def make_small(
    shape: Small, objective: str, texts: list[str], length: int, work: Path, strategy: Strategy = "ddp"
) -> tuple[Any, Any, FitResult]:
    """Train a small model on a sample of the pool; returns model, tokenizer and training."""
    model, tokenizer = language_models.new_small(shape, objective, texts, max(256, length))
    log.info("training a model of %.1fM parameters on %d rows", model.num_parameters() / 1e6, len(texts))
    blocks = Blocks(texts, tokenizer, length)
    recipe = recipe_of(shape, length).model_copy(update={"warmup_ratio": 0.1})
    collate = language_models.collator(tokenizer, objective)
    return model, tokenizer, fit(model, blocks, recipe, 0, work, collate, name="base model", strategy=strategy)


def load_base(
    folder: Path, chosen: BaseModelChoice, texts: list[str], length: int, work: Path, strategy: Strategy = "ddp"
) -> tuple[Any, Any, FitResult | None, list[str]]:
    """Load a pre-trained model; where its checkpoint lacks the head, train the head with the body frozen.

    Otherwise the warm-up would mostly train the random head, and harm the body through the head's gradients.

    Returns:
        Model, tokenizer, the head's training (None where there was a head), and the names of the head's parameters.
    """
    model, tokenizer, missing = language_models.load(folder, chosen.objective)
    head = [name for name, _ in model.named_parameters() if name in missing]
    if not head:
        return model, tokenizer, None, []
    log.info("the checkpoint has no %s head: training %d parameters of it, body frozen", chosen.objective, len(head))
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name in head
    blocks = Blocks(texts, tokenizer, length)
    collate = language_models.collator(tokenizer, chosen.objective)
    done = fit(model, blocks, recipe_of(chosen.head, length), 0, work, collate, name="head", strategy=strategy)
    for parameter in model.parameters():
        parameter.requires_grad = True
    return model, tokenizer, done, head


def warm_up(
    model: Any,
    tokenizer: Any,
    objective: str,
    texts: list[str],
    recipe: WarmUp,
    seed: int,
    most: int | None,
    work: Path,
    strategy: Strategy = "ddp",
    others: OtherTexts | None = None,
    name: str = "warm-up",
) -> tuple[Blocks, FitResult]:
    """Pre-fine-tune a model in place on the texts, packed into at most `most` blocks.

    With `others`, the recipe says how many blocks are of these texts. `name` is for the progress.
    """
    set_seed(seed)
    if others:
        blocks = mixed_blocks(texts, others, tokenizer, recipe, most)
    else:
        blocks = Blocks(texts, tokenizer, recipe.max_length, most, isolated=recipe.packing == "isolated")
    if most is not None and len(blocks) < most:
        raise RuntimeError(f"the selection has {len(blocks)} blocks of tokens, and the comparison needs {most}")
    collate = language_models.collator(tokenizer, objective)
    return blocks, fit(model, blocks, recipe, seed, work, collate, name=f"{name}, seed {seed}", strategy=strategy)


def fine_tune(
    model: Any,
    tokenizer: Any,
    objective: str,
    held: TargetSplits,
    recipe: FineTuning,
    seed: int,
    work: Path,
    judge: Evaluator | None = None,
    strategy: Strategy = "ddp",
) -> tuple[Any, FitResult, dict[str, float]]:
    """Fine-tune on target train, stop early on validation, then evaluate on test once. With 0 epochs, only evaluate.

    Returns:
        The fine-tuned model, its training, and the metrics. Of a language model: those of `evaluation.likelihood` on
        test, and on general text as general_*. Of a classifier: accuracy, micro_f1, macro_f1, and the warmed model's
        general_*. Of both: zero_shot_*, on test before any fine-tuning, and the metrics of `judge`, which evaluates the
        fine-tuned language model, or the warmed one where it becomes a classifier. With several processes, only rank 0
        returns metrics.
    """
    length, first = recipe.max_length, is_first()
    metrics: dict[str, float] = {}
    if first:
        metrics |= _likelihood("zero_shot_", model, tokenizer, objective, held.test.texts, length)
    set_seed(seed)
    if not held.classes or not recipe.epochs:
        done = FitResult(0, 0.0, [])
        if recipe.epochs:
            isolated = recipe.packing == "isolated"
            train, validation = (
                Blocks(one.texts, tokenizer, length, isolated=isolated) for one in (held.train, held.validation)
            )
            model, done, rate = best_of(
                model,
                train,
                recipe,
                seed,
                work,
                language_models.collator(tokenizer, objective),
                name=f"fine-tuning, seed {seed}",
                validation=validation,
                patience=recipe.patience,
                strategy=strategy,
            )
            metrics |= _chosen(recipe, rate) if first else {}
        if first:
            metrics |= _likelihood("", model, tokenizer, objective, held.test.texts, length)
            metrics |= _of_language_model(model, tokenizer, objective, held, length, judge)
        return model, done, metrics
    if first:
        metrics |= _of_language_model(model, tokenizer, objective, held, length, judge)
    labelled = [
        classifier.Labelled(s.texts, s.labels, held.classes, tokenizer, length, pairs=held.pairs)
        for s in (held.train, held.validation, held.test)
    ]
    network = classifier.build(model, tokenizer, held.classes, recipe.pooling, seed)
    classifier.fit_head(network, labelled[0], tokenizer, 2 * recipe.batch_size)
    network, done, rate = best_of(
        network,
        labelled[0],
        recipe,
        seed,
        work,
        classifier.collator(tokenizer),
        name=f"fine-tuning, seed {seed}",
        validation=labelled[1],
        patience=recipe.patience,
        classifies=True,
        strategy=strategy,
    )
    if first:
        metrics |= _chosen(recipe, rate)
        predicted = classifier.predict(network, labelled[2], tokenizer, 2 * recipe.batch_size)
        metrics |= evaluation.classification(predicted, labelled[2].labels)
    return network, done, metrics


def _chosen(recipe: FineTuning, rate: float) -> dict[str, float]:
    """Return the chosen learning rate for the metrics; nothing where there was no choice."""
    return {"learning_rate": rate} if recipe.other_learning_rates else {}


def by_words_alone(held: TargetSplits) -> dict[str, float]:
    """Return the metrics of the bag-of-words classifier on the same labels."""
    train, validation = ((split.texts, split.labels) for split in (held.train, held.validation))
    labels, _ = bag_of_words.predict(train, validation, held.test.texts)
    number = {label: at for at, label in enumerate(held.classes)}
    predicted, wanted = (np.array([number[label] for label in of]) for of in (labels, held.test.labels))
    return evaluation.classification(predicted, wanted)


def _of_language_model(
    model: Any, tokenizer: Any, objective: str, held: TargetSplits, length: int, judge: Evaluator | None
) -> dict[str, float]:
    """Return the metrics of `judge`, and the likelihood of general text where there is any."""
    metrics = judge(model, tokenizer) if judge else {}
    if held.general:
        metrics |= _likelihood("general_", model, tokenizer, objective, held.general, length)
    return metrics


def _likelihood(
    prefix: str, model: Any, tokenizer: Any, objective: str, texts: list[str], length: int
) -> dict[str, float]:
    metrics = evaluation.likelihood(model, tokenizer, objective, texts, length)
    return {prefix + name: value for name, value in metrics.items()}
