"""Pool, target and picks as points in a plane.

Belongs here: which rows are drawn, and where. Does not: drawing, or reading vectors.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

_POOL, _TARGET, _PICKS = 1500, 500, 500
_FLAT = 1e-6  # of the largest spread: below it, float32 vectors lie on a line


@dataclass(frozen=True)
class Sample:
    """Ids that are drawn: those with the smallest, which are hashes, so each is a random sample."""

    pool: list[str]
    target: list[str]
    picks: list[str]

    @property
    def ids(self) -> list[str]:
        """All, each once."""
        return list(dict.fromkeys([*self.pool, *self.target, *self.picks]))


@dataclass(frozen=True)
class Landscape:
    """Points on the first two principal components of the vectors of pool and target.

    Attributes:
        pool: Candidates: `[n, 2]`, float64.
        target: Rows of target train: `[m, 2]`.
        picks: Selected rows: `[k, 2]`.
        held: The share of the variance that each component holds, 0 to 1.
    """

    pool: np.ndarray
    target: np.ndarray
    picks: np.ndarray
    held: tuple[float, float]


def sample(judged: pl.DataFrame, target: pl.Series) -> Sample:
    """What is drawn of the candidates (id, decision) and of the ids of the target's rows."""
    ids = judged["id"].sort()
    picks = judged.filter(pl.col("decision") == "selected")["id"].sort()
    return Sample(
        *(some.head(most).to_list() for some, most in ((ids, _POOL), (target.sort(), _TARGET), (picks, _PICKS)))
    )


def lay_out(drawn: Sample, vectors: np.ndarray) -> Landscape | None:
    """Where each point lies; None where the vectors span no plane.

    Args:
        drawn: Of `sample`.
        vectors: Of `drawn.ids`, in their order: `[n, d]`, float32.
    """
    place = {id_: at for at, id_ in enumerate(drawn.ids)}
    pool, target, picks = (
        vectors[[place[id_] for id_ in ids]].astype(np.float64) for ids in (drawn.pool, drawn.target, drawn.picks)
    )
    # The picks take no part in the fit: the axes are the same for whatever is picked.
    fitted_on = np.concatenate([pool, target])
    centre = fitted_on.mean(0)
    _, spread, axes = np.linalg.svd(fitted_on - centre, full_matrices=False)
    if len(spread) < 2 or spread[1] <= _FLAT * spread[0]:
        return None
    axes = axes[:2] * np.sign(axes[:2, np.abs(axes[:2]).argmax(1)].diagonal())[:, None]  # else either way round
    first, second = (float(share) for share in spread[:2] ** 2 / (spread**2).sum())
    pool, target, picks = ((some - centre) @ axes.T for some in (pool, target, picks))
    return Landscape(pool, target, picks, (first, second))
