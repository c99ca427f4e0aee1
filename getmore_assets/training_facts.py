"""What the records of the models and of the scorecard say.

Belongs here: the shape of these facts. Does not: what all facts have in common, or those of the other stages
(`facts.py`).
"""

from pydantic import Field

from getmore_assets.facts import Facts
from getmore_assets.json_models import Numbers

Scored = dict[str, str | int | float | None]
"""The results of one run of a comparison: selector, seed, cost and metrics."""


class Training(Facts):
    """A training: `curve` is (step; loss, or eval_loss and eval_accuracy), `train_seconds` without reading weights."""

    steps: int = 0
    train_seconds: float = 0.0
    curve: list[Numbers] = Field(default_factory=list)


class BaseModelFacts(Training):
    """The base model; `head_trained` are the weights that were trained first, `rows` what it was trained on."""

    parameters: int = 0
    head_trained: list[str] = Field(default_factory=list)
    rows: int = 0
    pool: str = ""


class WarmUpFacts(Training):
    """The warmed model: blocks and tokens that it read, and the rows they come from."""

    blocks: int = 0
    tokens: int = 0
    rows: int = 0
    warmup_seconds: float = 0.0


class FineTuningFacts(Training):
    """The fine-tuned model and its metrics on test, and on general text; the version of what it was evaluated on."""

    metrics: dict[str, float] = Field(default_factory=dict)
    finetune_seconds: float = 0.0
    evaluated_version: str = ""


class GateFacts(Facts):
    """A gate, as `reporting/gates.py` has it."""

    name: str
    passed: bool | None
    said: str
    remedy: str = ""


class GainFacts(Facts):
    """By how much the chosen selector is better: Student's interval in words, and the bootstrap's ends."""

    t: str
    bootstrap: tuple[float, float] | None = None


class ScorecardFacts(Facts):
    """A scorecard.

    Attributes:
        verdict: In sentences.
        next: What to do, in sentences.
        gates: Whether the task can tell selections apart.
        summary: Selector → metric → interval, in words.
        metrics: `selector/metric` → mean.
        scored: A row for each selector and seed, the chosen selector first.
        distances: Of each selector's subset to the target; `lambda` is the selection's share of the mixture.
        gains: Over each rival.
        selection_seconds: Of the chosen selector.
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
