"""When the lexical encoder of a pool is fitted again: when too many rows were added to the pool since its fit.

Belongs here: the limit, and the share of rows that were added since a fit. Does not: fitting (`lexical.py`), or storing
the fit (`fits.py`).

Under the old fit, added rows look nearer to the target than they are, because neither they nor the target were in the
fit. The effect grows as the fit has fewer rows per dimension: a share of 2 % of new rows takes 3 % of the picks at 78
rows per dimension, and 17 % at 8. So up to 2 % of the rows may be new where the fit has at least 64 rows per dimension.
A smaller fit allows none: fitting and encoding again takes seconds there. `benchmarks/README.md` (increments) has the
figures.
"""

from pathlib import Path

import polars as pl
from safetensors import safe_open

from getmore_assets.config import LEXICAL_SAMPLE

#: The largest share of new rows in a pool, for a fit with enough rows per dimension.
MOST_NEW = 0.02
_ENOUGH = 64  # rows per dimension


def share_new(fit: Path, rows: pl.LazyFrame) -> float | None:
    """Return the share of a pool's rows that were added since its encoder was fitted. Removed rows do not count.

    A fit contains the ids of its texts: the smallest ids of the pool, which are a random sample because ids are hashes.
    The share is exact up to 20,000 rows; beyond that it is an estimate from 20,000 rows.

    Args:
        fit: The file of the fit.
        rows: id: the rows of the pool that a fit can be made on.

    Returns:
        From 0 to 1, or None for a fit of an earlier version, which lacks the ids.
    """
    held = fitted_on(fit)
    if held is None:
        return None
    today = rows.select("id").bottom_k(LEXICAL_SAMPLE, by="id").collect()["id"]
    if len(held) == LEXICAL_SAMPLE:  # rows with larger ids may be older than the fit without being in it
        today = today.filter(today <= held.max())
    return int((~today.is_in(held.implode())).sum()) / len(today) if len(today) else 1.0


def limit(fit: Path) -> float:
    """Return the largest share of new rows in a pool, above which the encoder is fitted again.

    Args:
        fit: The file of the fit; fits of earlier versions do not say how many rows they were fitted on.
    """
    held = fitted_on(fit)
    with safe_open(fit, "numpy") as kept:
        dimensions = kept.get_slice("components").get_shape()[1]
    return MOST_NEW if held is None or len(held) >= _ENOUGH * dimensions else 0.0


def fitted_on(fit: Path) -> pl.Series | None:
    """Return the ids of the texts that an encoder was fitted on, or None for a fit of an earlier version."""
    with safe_open(fit, "numpy") as kept:
        if "fitted_on" not in kept.keys():  # noqa: SIM118  # safe_open returns no mapping
            return None
        return pl.Series("id", [row.tobytes().hex() for row in kept.get_tensor("fitted_on")], dtype=pl.String)


def reason(share: float, bound: float) -> str:
    """Return why an encoder is fitted again, as a message."""
    return f"{share:.1%} of the pool's rows came since the fit before (limit {bound:.0%})"
