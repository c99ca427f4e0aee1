"""λ: how far a warm-up moves the model from its training data D_P towards the warm-up data D_U.

Belongs here: the estimate, from four losses. Does not: the warm-up around which losses are measured (`trials.py`).

In the paper's Lemma 1 the warmed model minimises the loss on λ D_U + (1 - λ) D_P, with an assumed small λ. Here λ is
estimated. Let the losses on D_P and on D_U be quadratic with the same curvature h around two minima at a distance d,
and let the base be at the minimum of D_P. A warm-up that goes the distance λ d towards D_U raises the loss on D_P by
h λ² d²/2 and lowers the loss on D_U by h (2λ - λ²) d²/2. The ratio of both, r = λ / (2 - λ), does not depend on h or d,
so λ = 2r / (1 + r).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LossChanges:
    """Mean losses per token before and after a warm-up, in nats.

    Attributes:
        pool: Losses on general text of the pool outside the warm-up: before, after.
        picks: Losses on picks outside the warm-up: before, after.
        target: Losses on the target's validation split: before, after.
    """

    pool: tuple[float, float]
    picks: tuple[float, float]
    target: tuple[float, float]


def estimated_lambda(moves: LossChanges) -> float:
    """Return λ, between 0 and 1.

    If the loss on picks did not fall, the warm-up had no effect: 0. If the loss on the pool fell, too, the base was not
    at its minimum, and r is meaningless: the model then follows the data it is trained on, so 1.
    """
    rise = moves.pool[1] - moves.pool[0]
    fall = moves.picks[0] - moves.picks[1]
    if fall <= 0:
        return 0.0
    if rise < 0:
        return 1.0
    ratio = min(rise / fall, 1.0)
    return 2 * ratio / (1 + ratio)
