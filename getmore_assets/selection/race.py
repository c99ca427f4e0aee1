"""A race: selectors are tried with small warm-ups, and the target's validation split says which gets the budget.

Belongs here: the heats and who wins. Does not: selectors, or warm-ups (`trials.py`). Test is not looked at, so what a
race chooses may be compared on it like any other selection.
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
    """How one entrant did.

    Attributes:
        entrant: Its name.
        loss: On target validation after its small warm-up: mean of a token, in nats.
        blocks: It was warmed up on.
        seconds: To choose and to warm up.
    """

    entrant: str
    loss: float
    blocks: int
    seconds: float


def run(
    trials: Trials, entrants: dict[str, Callable[[], list[str]]], seeds: tuple[int, ...] = (0, 1)
) -> list[TrialRun]:
    """Warm the base up on what each entrant would choose first, at equal tokens; the best comes first.

    Args:
        trials: To warm up with.
        entrants: Name → the ids it chooses of a small budget, best first.
        seeds: Each entrant's loss is the mean over these.
    """
    chosen, seconds = {}, {}
    for name, choose in entrants.items():
        began = time.monotonic()
        chosen[name] = trials.context.texts_of(choose())
        seconds[name] = time.monotonic() - began
    validation = trials.context.split("validation", _MOST_TEXTS)
    blocks = min(trials.blocks(texts) for texts in chosen.values())
    heats = []
    for name, texts in chosen.items():
        began, losses = time.monotonic(), []
        for seed in seeds:
            model, tokenizer = trials.base()
            trials.warm(model, tokenizer, texts, seed, blocks)
            losses.append(trials.loss(model, tokenizer, validation))
        heat = TrialRun(name, float(np.mean(losses)), blocks, seconds[name] + time.monotonic() - began)
        log.info("race: %s, perplexity %.2f on validation", name, math.exp(heat.loss))
        heats.append(heat)
    return sorted(heats, key=lambda heat: (heat.loss, heat.entrant))
