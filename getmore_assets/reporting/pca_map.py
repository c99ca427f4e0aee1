"""The PCA map of candidates, target and picks.

Belongs here: sampling rows, and projecting their vectors. Does not: drawing (`figures.py`), or reading vectors.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

_POOL, _TARGET, _PICKS = 1500, 500, 500  # points
_FLAT = 1e-6  # share of the first singular value; if the second is below it, float32 vectors are on a line


@dataclass(frozen=True)
class Sample:
    """The ids of the points: the smallest of each group, which are a random sample, as ids are hashes."""

    pool: list[str]
    target: list[str]
    picks: list[str]

    @property
    def ids(self) -> list[str]:
        """All ids, each once."""
        return list(dict.fromkeys([*self.pool, *self.target, *self.picks]))


@dataclass(frozen=True)
class PcaMap:
    """Points on the first two principal components of the vectors of pool and target.

    Attributes:
        pool: Candidates: `[n, 2]`, float64.
        target: Rows of target train: `[m, 2]`.
        picks: Selected rows: `[k, 2]`.
        explained: The share of the variance of each component, 0 to 1.
    """

    pool: np.ndarray
    target: np.ndarray
    picks: np.ndarray
    explained: tuple[float, float]


def sample(candidates: pl.DataFrame, target: pl.Series) -> Sample:
    """Sample candidates (id, decision), picks among them, and ids of target rows."""
    ids = candidates["id"].sort()
    picks = candidates.filter(pl.col("decision") == "selected")["id"].sort()
    return Sample(
        *(some.head(most).to_list() for some, most in ((ids, _POOL), (target.sort(), _TARGET), (picks, _PICKS)))
    )


def project(sampled: Sample, vectors: np.ndarray) -> PcaMap | None:
    """Return the map of a sample; None if the vectors span no plane.

    Args:
        sampled: The sample.
        vectors: The vectors of `sampled.ids`, in order: `[n, d]`, float32.
    """
    position = {id_: at for at, id_ in enumerate(sampled.ids)}
    pool, target, picks = (
        vectors[[position[id_] for id_ in ids]].astype(np.float64)
        for ids in (sampled.pool, sampled.target, sampled.picks)
    )
    # The axes are fitted without the picks, so that they are the same for every selection.
    fitted_on = np.concatenate([pool, target])
    centre = fitted_on.mean(0)
    _, spread, axes = np.linalg.svd(fitted_on - centre, full_matrices=False)
    if len(spread) < 2 or spread[1] <= _FLAT * spread[0]:
        return None
    axes = axes[:2] * np.sign(axes[:2, np.abs(axes[:2]).argmax(1)].diagonal())[:, None]  # fixes the signs
    first, second = (float(share) for share in spread[:2] ** 2 / (spread**2).sum())
    pool, target, picks = ((points - centre) @ axes.T for points in (pool, target, picks))
    return PcaMap(pool, target, picks, (first, second))
