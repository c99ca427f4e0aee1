"""λ: how far a warm-up moves the model from what it was trained on to what it is warmed up on.

Belongs here: the estimate, from four losses. Does not: the warm-up that they are measured around (`trials.py`).

The paper's Lemma 1 has the warmed model minimise the loss on λ D_U + (1 - λ) D_P and takes λ to be small. Measured: let
the losses on D_P and on D_U be quadratic with the same curvature h around their minima, d apart, with the base at
that of D_P. A warm-up that goes the share λ of the way raises the loss on D_P by h λ² d²/2 and lowers that on D_U by
h (2λ - λ²) d²/2. Their ratio r = λ / (2 - λ) knows neither h nor d, so λ = 2r / (1 + r).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LossChanges:
    """Mean losses of a token before and after a warm-up, in nats.

    Attributes:
        pool: On general text of the pool that was not trained on: before, after.
        picks: On picks that were not trained on: before, after.
        target: On the target's validation split: before, after.
    """

    pool: tuple[float, float]
    picks: tuple[float, float]
    target: tuple[float, float]


def strength(moves: LossChanges) -> float:
    """λ, between 0 and 1.

    Where the picks' loss did not fall, nothing moved: 0. Where the pool's fell too, the base was not at its minimum and
    r says nothing: what holds for the model is then what it is taught, so 1.
    """
    rise = moves.pool[1] - moves.pool[0]
    fall = moves.picks[0] - moves.picks[1]
    if fall <= 0:
        return 0.0
    if rise < 0:
        return 1.0
    ratio = min(rise / fall, 1.0)
    return 2 * ratio / (1 + ratio)
