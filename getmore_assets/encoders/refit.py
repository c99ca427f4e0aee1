"""The condition under which the lexical encoder of a pool is fitted again: too many new rows since the fit.

Belongs here: the limit, and the share of rows that were added since a fit. Does not: fitting (`lexical.py`), or storing
the fit (`fits.py`).

With an old fit, new rows look nearer to the target than they are, as the fit has seen neither new rows nor target. The
fewer rows per dimension a fit has, the stronger the effect: 2 % of new rows take 3 % of the picks at 78 rows per
dimension, and 17 % at 8. So up to 2 % of the rows may be new if the fit has at least 64 rows per dimension. A smaller
fit allows none, because fitting and encoding again takes only seconds. `benchmarks/README.md` (increments) has the
figures.
"""

from pathlib import Path

import polars as pl
from safetensors import safe_open

from getmore_assets.config import LEXICAL_SAMPLE

#: The largest share of new rows in a pool, for a fit with enough rows per dimension.
MOST_NEW_SHARE = 0.02
_ENOUGH = 64  # rows per dimension


def share_new(fit: Path, rows: pl.LazyFrame) -> float | None:
    """Return the share of a pool's rows that were added since the encoder was fitted. Removed rows do not count.

    A fit contains the ids of its texts: the smallest ids of the pool, which are a random sample because ids are hashes.
    The share is exact up to 20,000 rows; beyond that it is an estimate from 20,000 rows.

    Args:
        fit: The file of the fit.
        rows: id of the pool's rows that the encoder can be fitted on.

    Returns:
        From 0 to 1, or None for a fit of an earlier version, which lacks the ids.
    """
    fitted = fitted_on(fit)
    if fitted is None:
        return None
    today = rows.select("id").bottom_k(LEXICAL_SAMPLE, by="id").collect()["id"]
    if len(fitted) == LEXICAL_SAMPLE:  # rows with larger ids may be older than the fit without being in it
        today = today.filter(today <= fitted.max())
    return int((~today.is_in(fitted.implode())).sum()) / len(today) if len(today) else 1.0


def limit(fit: Path) -> float:
    """Return the largest share of new rows in a pool, above which the encoder is fitted again.

    Args:
        fit: The file of the fit. A fit of an earlier version, which lacks the ids of its texts, counts as large.
    """
    fitted = fitted_on(fit)
    with safe_open(fit, "numpy") as tensors:
        dimensions = tensors.get_slice("components").get_shape()[1]
    return MOST_NEW_SHARE if fitted is None or len(fitted) >= _ENOUGH * dimensions else 0.0


def fitted_on(fit: Path) -> pl.Series | None:
    """Return the ids of the texts that an encoder was fitted on, or None for a fit of an earlier version."""
    with safe_open(fit, "numpy") as tensors:
        if "fitted_on" not in tensors.keys():  # noqa: SIM118  # safe_open returns no mapping
            return None
        return pl.Series("id", [row.tobytes().hex() for row in tensors.get_tensor("fitted_on")], dtype=pl.String)


def reason(share: float, limit: float) -> str:
    """Return the message why an encoder is fitted again."""
    return f"{share:.1%} of the pool's rows were added since the last fit (limit {limit:.0%})"
