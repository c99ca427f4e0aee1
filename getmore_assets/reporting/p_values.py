"""Statistical tests of paired differences: t-test, Holm's adjustment, equivalence, and detectable difference.

Belongs here: p-values and power. Does not: pairing runs (`statistics.py`), or the verdict (`verdict.py`).
"""

import math

import numpy as np

ALPHA = 0.05
_POWER = 0.8


def p_value(differences: list[float]) -> float:
    """Return the two-sided p-value of a paired t-test that the mean is 0; NaN for fewer than two differences."""
    above, below = _above(differences, 0.0), _above([-difference for difference in differences], 0.0)
    return math.nan if math.isnan(above) else min(1.0, 2 * min(above, below))


def holm(values: dict[str, float]) -> dict[str, float]:
    """Return p-values adjusted for their number (Holm, 1979), by name; NaN is not counted."""
    tested = sorted((name for name, p in values.items() if not math.isnan(p)), key=values.__getitem__)
    adjusted, reached = dict(values), 0.0
    for rank, name in enumerate(tested):
        reached = max(reached, min(1.0, (len(tested) - rank) * values[name]))
        adjusted[name] = reached
    return adjusted


def p_equivalence(differences: list[float], margin: float) -> float:
    """Return the p-value of two one-sided tests (TOST); null hypothesis: the mean is `margin` or more away from 0."""
    negated = [-difference for difference in differences]
    return max(_above(differences, -margin), _above(negated, -margin))


def smallest_shown(differences: list[float]) -> float:
    """Return the smallest mean difference that a test of so many pairs with this spread shows, at a power of 80 %."""
    from scipy.stats import t

    n = len(differences)
    if n < 2:
        return math.nan
    error = float(np.std(differences, ddof=1)) / math.sqrt(n)
    return float((t.ppf(1 - ALPHA / 2, n - 1) + t.ppf(_POWER, n - 1)) * error)


def _above(differences: list[float], bound: float) -> float:
    """Return the one-sided p-value of the null hypothesis that the mean is at most `bound`."""
    from scipy.stats import t

    n = len(differences)
    if n < 2:
        return math.nan
    mean, error = float(np.mean(differences)), float(np.std(differences, ddof=1)) / math.sqrt(n)
    if error <= 1e-12 * max(1.0, abs(mean)):  # equal differences have no spread to test
        return 0.0 if mean > bound else 1.0
    return float(t.sf((mean - bound) / error, n - 1))
