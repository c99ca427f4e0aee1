"""Vectors and the transport problem between them.

Belongs here: fields with their defaults and limits. Does not: encoders or the solver.
"""

from typing import Literal

from pydantic import Field, model_validator

from getmore_assets.config.sources import Section
from getmore_assets.config.training import DType

LEXICAL = "lexical"
LEXICAL_SAMPLE = 20_000  # the lexical encoder is fitted on at most this many rows of the pool
BROUGHT = "brought"
WITHOUT_WEIGHTS = (LEXICAL, BROUGHT)  # encoders without a model folder


class Adapt(Section):
    """A few epochs of language modelling on target train, which adapt distances to the target (paper, C.1.2)."""

    objective: Literal["causal", "masked"] = "masked"
    epochs: float = Field(3.0, gt=0)
    learning_rate: float = Field(5e-5, gt=0)
    batch_size: int = Field(32, ge=1)


class Encoder(Section):
    """The encoder, which turns texts into vectors."""

    model: str = Field("lexical", description="minilm | lexical | brought | a hub id | a folder")
    max_length: int = Field(256, ge=8, description="tokens")
    batch_tokens: int = Field(8192, ge=64, description="tokens in a batch, padding included")
    dimensions: int = Field(256, ge=2, description="width of the lexical encoder; maximum width of a static encoder")
    static: bool = Field(
        False,
        description="distil a static encoder (one vector per token) from the model: far faster, blind to word order",
    )
    pooling: Literal["mean", "weighted"] = Field(
        "mean", description="pooling of hidden states; weighted: by position, for causal models"
    )
    adapt: Adapt | None = Field(
        None,
        description="tune the encoder on target train first; all rows are encoded again when the target changes",
    )
    dtype: DType = "auto"

    @model_validator(mode="after")
    def _only_models_adapt(self) -> "Encoder":
        if (self.adapt or self.static) and self.model in WITHOUT_WEIGHTS:
            raise ValueError(f"`{self.model}` cannot be adapted or distilled: give a model's folder or name")
        if self.adapt and self.static:
            raise ValueError("a static encoder is not adapted: set one of adapt and static")
        return self


class Triage(Section):
    """Domain triage: distances of the pool's domains from the target, on samples, before the pool is encoded."""

    sample: int = Field(2000, ge=1, description="rows of each domain to encode (the paper: 10,000)")
    epsilon: float = Field(0.05, gt=0, description="entropic regularisation, times the mean cost")
    keep: int | None = Field(None, ge=1, description="number of nearest domains to select from; without it, all")


class Transport(Section):
    """The optimal-transport problem between pool and target."""

    solver: Literal["semi-dual", "published", "exact"] = Field(
        "semi-dual", description="published: the paper's loop (in the paper, epsilon 0.1 and tolerance 0.1); "
        "exact: POT's network simplex, without epsilon, for up to 100 million pairs"
    )  # fmt: skip
    epsilon: float = Field(0.05, gt=0, description="entropic regularisation")
    epsilon_is: Literal["relative", "absolute"] = Field("relative", description="relative: times the mean cost")
    tolerance: float = Field(1e-3, gt=0, lt=2, description="L1 error of the target marginal at which to stop")
    max_passes: int = Field(300, ge=1, description="passes over the whole pool before giving up")
    momentum: float = Field(1.3, gt=0, lt=2, description="over-relaxation of the published solver; 1 is none")
    target_relaxation: float | None = Field(
        None, gt=0, description="lets the plan leave out target rows far from the pool (POT's reg_m, in the unit of "
        "epsilon): the smaller, the more rows; without it, no row"
    )  # fmt: skip
    memory_mb: int = Field(1024, ge=1, description="limit of the solve's working memory")

    def absolute(self, mean_cost: float) -> tuple[float, float | None]:
        """Return epsilon and target_relaxation in the unit of the cost, for a problem with this mean cost."""
        unit = mean_cost if self.epsilon_is == "relative" else 1.0
        return self.epsilon * unit, None if self.target_relaxation is None else self.target_relaxation * unit

    @model_validator(mode="after")
    def _only_semi_dual_relaxes(self) -> "Transport":
        if self.solver != "semi-dual" and self.target_relaxation is not None:
            raise ValueError(f"target_relaxation is not for the {self.solver} solver")
        return self


class Drift(Section):
    """The drift up to which earlier results are kept; by default, no drift is allowed."""

    rows: float | None = Field(None, ge=0, le=1, description="share of the target's weight on added or removed rows")
    distance: float | None = Field(
        None, ge=0, description="transport distance (debiased, squared, of unit vectors) between the present target "
        "and the target of the last solve"
    )  # fmt: skip
    overlap: float = Field(
        1.0, gt=0, le=1, description="Jaccard similarity of the new selection and the selection of the present model, "
        "from which the model is kept",
    )  # fmt: skip

    @property
    def is_allowed(self) -> bool:
        """Whether any drift of the target is allowed."""
        return self.rows is not None or self.distance is not None

    def allows(self, rows: float, distance: float | None) -> bool:
        """Return whether the earlier solve is kept for a target with this drift; limits that are None do not count."""
        if rows == 0:
            return True
        if not self.is_allowed:
            return False
        near = self.distance is None or (distance is not None and distance <= self.distance)
        return near and (self.rows is None or rows <= self.rows)
