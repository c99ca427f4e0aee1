"""A race: several selectors are tried in small warm-ups; the one with the lowest validation loss gets the budget.

Belongs here: the trial runs and the winner. Does not: selectors, or warm-ups (`trials.py`). A race does not read the
test split, so its selection can be compared on test like any other.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from getmore_assets.selection.trials import Trials

log = logging.getLogger(__name__)

_MOST_TEXTS = 1000


@dataclass(frozen=True)
class TrialRun:
    """The trial result of one contestant.

    Attributes:
        contestant: Name of the contestant.
        loss: Loss on target validation after the small warm-up: mean per token, in nats.
        blocks: Number of blocks in the warm-up.
        seconds: Time of selecting and warming up.
    """

    contestant: str
    loss: float
    blocks: int
    seconds: float


def run(
    trials: Trials, contestants: dict[str, Callable[[], list[str]]], seeds: tuple[int, ...] = (0, 1)
) -> list[TrialRun]:
    """Warm the base up on the first picks of each contestant, at equal tokens; return the results, best first.

    Args:
        trials: The trials, which warm up and measure losses.
        contestants: For each contestant's name, a function that returns its ids for a small budget, best first.
        seeds: Seeds of the warm-ups; a contestant's loss is the mean over them.
    """
    picks, seconds = {}, {}
    for name, pick in contestants.items():
        began = time.monotonic()
        picks[name] = trials.context.texts_of(pick())
        seconds[name] = time.monotonic() - began
    validation = trials.context.split("validation", _MOST_TEXTS)
    blocks = min(trials.blocks(texts) for texts in picks.values())
    results = []
    for name, texts in picks.items():
        began, losses = time.monotonic(), []
        for seed in seeds:
            model, tokenizer = trials.base()
            trials.warm(model, tokenizer, texts, seed, blocks)
            losses.append(trials.loss(model, tokenizer, validation))
        result = TrialRun(name, float(np.mean(losses)), blocks, seconds[name] + time.monotonic() - began)
        log.info("race: %s, perplexity %.2f on validation", name, math.exp(result.loss))
        results.append(result)
    return sorted(results, key=lambda result: (result.loss, result.contestant))
