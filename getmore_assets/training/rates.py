"""Choosing a learning rate: one training for each rate, of which the best on validation is kept.

Belongs here: the trainings of copies of a model, and the choice. Does not: a training (`fit.py`).
"""

import copy
import logging
import math
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from getmore_assets.config import FineTuning
from getmore_assets.ranks import is_first
from getmore_assets.training.fit import FitResult, fit
from getmore_assets.training.language_models import ADAPTER

log = logging.getLogger(__name__)


def best_of(
    model: Any, train: Dataset[Any], recipe: FineTuning, seed: int, work: Path, collator: Any, **how: Any
) -> tuple[Any, FitResult, float]:
    """Train the model with each rate of a recipe, as `fit`, and return the best model, its training and its rate.

    With one rate, the model is trained in place. With several, copies are: at most three models are in memory.

    Args:
        model: The model to start from.
        train: Items for the collator.
        recipe: The recipe, with one or several learning rates.
        seed: As in `fit`.
        work: The folder for checkpoints, and for the adapters of the best model.
        collator: Items to a batch.
        how: Further arguments of `fit`; with several rates, `validation` is among them.

    Raises:
        FloatingPointError: The loss is not finite at any rate.
    """
    rates = recipe.rates
    if len(rates) == 1:
        return model, fit(model, train, recipe, seed, work, collator, **how), rates[0]
    best: tuple[float, Any, FitResult, float] | None = None
    for rate in rates:
        trained = copy.deepcopy(model)
        of_rate = recipe.model_copy(update={"learning_rate": rate, "other_learning_rates": []})
        try:
            done = fit(trained, train, of_rate, seed, work / f"rate-{rate:g}", collator, **how)
            score = _best_score(done)
        except FloatingPointError:
            log.info("learning rate %g: the loss is not finite", rate)
            continue
        log.info("learning rate %g: best on validation %.4f", rate, abs(score))
        if best is None or score > best[0]:
            best = score, trained, done, rate
    if best is None:
        raise FloatingPointError(f"the loss is not finite at any learning rate of {rates}: lower them")
    _, kept, done, rate = best
    adapter = work / f"rate-{rate:g}" / ADAPTER
    if adapter.is_dir() and is_first():
        adapter.rename(work / ADAPTER)
    return kept, done, rate


def _best_score(done: FitResult) -> float:
    """Return the best accuracy on validation, or the best loss with its sign changed: higher is better.

    Raises:
        FloatingPointError: The loss on validation is not finite.
    """
    losses = [-point["eval_loss"] for point in done.curve if "eval_loss" in point]
    if not all(map(math.isfinite, losses)):
        raise FloatingPointError("the loss on validation is not finite")
    return max([point["eval_accuracy"] for point in done.curve if "eval_accuracy" in point] or losses)
