"""Tests of paired differences: against chance, over several rivals at once, and for equivalence.

Belongs here: p-values and what so many pairs could see. Does not: which runs are paired, or the verdict
(`verdict.py`).
"""

import math

import numpy as np

ALPHA = 0.05
_POWER = 0.8


def p_value(differences: list[float]) -> float:
    """Return the two-sided p-value of a paired t-test, that the mean is 0; NaN for fewer than two differences."""
    above, below = _above(differences, 0.0), _above([-one for one in differences], 0.0)
    return math.nan if math.isnan(above) else min(1.0, 2 * min(above, below))


def holm(values: dict[str, float]) -> dict[str, float]:
    """Return p-values adjusted for their number (Holm, 1979), by name; NaN stays and is not counted."""
    tested = sorted((name for name, p in values.items() if not math.isnan(p)), key=values.__getitem__)
    adjusted, reached = dict(values), 0.0
    for place, name in enumerate(tested):
        reached = max(reached, min(1.0, (len(tested) - place) * values[name]))
        adjusted[name] = reached
    return adjusted


def p_equivalence(differences: list[float], margin: float) -> float:
    """Return the p-value of two one-sided tests (TOST), that the mean is `margin` or more away from 0."""
    below = [-one for one in differences]
    return max(_above(differences, -margin), _above(below, -margin))


def smallest_shown(differences: list[float]) -> float:
    """Return the mean difference that so many pairs, with this spread, would show with a power of 80 %."""
    from scipy.stats import t

    n = len(differences)
    if n < 2:
        return math.nan
    error = float(np.std(differences, ddof=1)) / math.sqrt(n)
    return float((t.ppf(1 - ALPHA / 2, n - 1) + t.ppf(_POWER, n - 1)) * error)


def _above(differences: list[float], bound: float) -> float:
    """Return the one-sided p-value that the mean is at most `bound`."""
    from scipy.stats import t

    n = len(differences)
    if n < 2:
        return math.nan
    mean, error = float(np.mean(differences)), float(np.std(differences, ddof=1)) / math.sqrt(n)
    if error <= 1e-12 * max(1.0, abs(mean)):  # equal to the digit: not a sample of anything
        return 0.0 if mean > bound else 1.0
    return float(t.sf((mean - bound) / error, n - 1))
