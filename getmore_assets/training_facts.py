"""The facts in the materialization records of the models and of the scorecard.

Belongs here: the fields of these facts. Does not: the base class of facts, or the facts of other stages (`facts.py`).
"""

from pydantic import Field

from getmore_assets.facts import Facts
from getmore_assets.json_models import Numbers

Scored = dict[str, str | int | float | None]
"""The results of one run of a comparison: selector, seed, cost and metrics."""


class Training(Facts):
    """A training. `curve` has the losses by step; `train_seconds` does not include reading the weights."""

    steps: int = 0
    train_seconds: float = 0.0
    curve: list[Numbers] = Field(default_factory=list)


class BaseModelFacts(Training):
    """The base model. `head_trained` names the weights that were trained first, on `rows` rows of the pool."""

    parameters: int = 0
    head_trained: list[str] = Field(default_factory=list)
    rows: int = 0
    pool: str = ""


class WarmUpFacts(Training):
    """The warmed model: the number of packed sequences (blocks), tokens and rows that it was trained on."""

    blocks: int = 0
    tokens: int = 0
    rows: int = 0
    warmup_seconds: float = 0.0


class FineTuningFacts(Training):
    """The fine-tuned model, its metrics on test and general text, and the data version of these splits."""

    metrics: dict[str, float] = Field(default_factory=dict)
    finetune_seconds: float = 0.0
    evaluated_version: str = ""


class GateFacts(Facts):
    """A gate of `reporting/gates.py`."""

    name: str
    passed: bool | None
    said: str
    remedy: str = ""


class GainFacts(Facts):
    """The gain of the chosen selector over a rival: Student's interval as text, and the ends of the bootstrap's."""

    t: str
    bootstrap: tuple[float, float] | None = None


class ScorecardFacts(Facts):
    """A scorecard.

    Attributes:
        verdict: The verdict, in sentences.
        next: What to do next, in sentences.
        gates: The gates, which show whether the task can tell selections apart.
        summary: Selector → metric → mean and interval, as text.
        metrics: `selector/metric` → mean.
        scored: A row for each selector and seed, the chosen selector first.
        distances: Distance to the target of each selector's subset mixed with the pool; `lambda`: the subset's weight.
        gains: The gain over each rival.
        selection_seconds: Seconds of the chosen selector.
    """

    verdict: list[str]
    next: list[str] = Field(default_factory=list)
    gates: list[GateFacts] = Field(default_factory=list)
    summary: dict[str, dict[str, str]]
    metrics: dict[str, float] = Field(default_factory=dict)
    scored: list[Scored]
    distances: dict[str, float]
    gains: dict[str, GainFacts] = Field(default_factory=dict)
    selection_seconds: float = 0.0
