"""GOT-D: rank candidates by the derivative of the transport distance with respect to their weight.

Belongs here: scores and ranks from a candidate potential. Does not: the budget (`budget.py`).
"""

import numpy as np


def calibrated_gradient(f: np.ndarray) -> np.ndarray:
    """Return s_i = f_i - mean of the other f: `[n]`, float64 (LAVA, ICLR 2023; GOT-D eq. 4).

    s_i is the rate at which the distance from pool to target changes when weight moves from all other rows to row i:
    weight on the rows with the most negative s_i lowers the distance fastest.
    """
    f = f.astype(np.float64)
    if len(f) == 1:
        return np.zeros(1)
    scores: np.ndarray = f - (f.sum() - f) / (len(f) - 1)
    return scores
