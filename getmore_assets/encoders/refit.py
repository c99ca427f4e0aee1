"""When the lexical encoder of a pool is fitted again: when too many of the pool's rows came since it was fitted.

Belongs here: the bound, and the share of rows that came since a fit. Does not: fitting (`lexical.py`), or keeping the
fit (`fits.py`).

With the old fit, appended rows look nearer to the target than they are, because neither was in the fit. The fewer rows
a dimension was fitted on, the nearer: 2 % of new rows are 3 % of the picks at 78 rows a dimension, and 17 % at 8. So
up to 2 % may be new where a dimension has 64 rows or more, and none elsewhere, where fitting and encoding again takes
seconds. `benchmarks/README.md` (increments) has the figures.
"""

from pathlib import Path

import polars as pl
from safetensors import safe_open

from getmore_assets.config import LEXICAL_SAMPLE

#: The largest share of a pool's rows that may have come since a fit on enough rows a dimension.
MOST_NEW = 0.02
_ENOUGH = 64  # rows a dimension


def share_new(fit: Path, rows: pl.LazyFrame) -> float | None:
    """Return the share of a pool's rows that came since its encoder was fitted. Rows that were removed do not count.

    A fit holds the ids of its texts: the smallest ids of the pool, which are a random sample because ids are hashes.
    The share is exact up to 20,000 rows, and above that an estimate from 20,000 rows.

    Args:
        fit: The file of the fit.
        rows: id: the rows of the pool that a fit can be made on.

    Returns:
        From 0 to 1, or None for a fit of an earlier version, which does not say which texts it holds.
    """
    held = fitted_on(fit)
    if held is None:
        return None
    today = rows.select("id").bottom_k(LEXICAL_SAMPLE, by="id").collect()["id"]
    if len(held) == LEXICAL_SAMPLE:  # larger ids can be older than the fit, and not be in it
        today = today.filter(today <= held.max())
    return int((~today.is_in(held.implode())).sum()) / len(today) if len(today) else 1.0


def limit(fit: Path) -> float:
    """Return the largest share of a pool's rows that may have come since a fit; above it, the encoder is fitted again.

    Args:
        fit: The file of the fit; one of an earlier version does not say how many rows it was made on.
    """
    held = fitted_on(fit)
    with safe_open(fit, "numpy") as kept:
        dimensions = kept.get_slice("components").get_shape()[1]
    return MOST_NEW if held is None or len(held) >= _ENOUGH * dimensions else 0.0


def fitted_on(fit: Path) -> pl.Series | None:
    """Return the ids of the texts that an encoder was fitted on, or None for a fit of an earlier version."""
    with safe_open(fit, "numpy") as kept:
        if "fitted_on" not in kept.keys():  # noqa: SIM118  # the file is no mapping
            return None
        return pl.Series("id", [row.tobytes().hex() for row in kept.get_tensor("fitted_on")], dtype=pl.String)


def reason(share: float, bound: float) -> str:
    """Return why an encoder is fitted again, for people."""
    return f"{share:.1%} of the pool's rows came since the fit before (limit {bound:.0%})"
